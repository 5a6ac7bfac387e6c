"""Telltale: from customer events to explained health, everything that needs neither Faust nor Postgres."""
