"""``telltale accounts``: who needs a call, from the rows in Postgres."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.alert_text import money
from pipeline.cli.printing import json_option, print_json, print_table
from pipeline.cli.ranges import AT_LEAST_ONE
from pipeline.errors import TelltaleError
from sinks.postgres.answers import AccountHealth, PortfolioLine

if TYPE_CHECKING:
    from sinks.postgres.reading import HealthReader

BANDS: Final = {
    "critical": "CRITICAL",
    "at_risk": "AT_RISK",
    "watch": "WATCH",
    "healthy": "HEALTHY",
    "unknown": "UNKNOWN",
}
"""Bands as people type and read them; the worst first."""


_HEADINGS: Final = (
    "account",
    "name",
    "score",
    "7 days",
    "band",
    "coverage",
    "alerts",
    "revenue",
    "renewal",
    "owner",
)


class NoTables(TelltaleError):  # noqa: N818 - reads as what happened
    """The database is there, and empty."""


@click.command()
@click.option(
    "--band", type=click.Choice(list(BANDS), case_sensitive=False), help="Only accounts of this band."
)
@click.option("--limit", default=50, show_default=True, type=AT_LEAST_ONE, help="How many at most.")
@json_option("One JSON object a line, with everything that is known.")
def accounts(band: str | None, limit: int, *, as_json: bool) -> None:
    """List accounts and their health, the worst first."""
    with open_reader() as reader:
        found = reader.accounts(band=BANDS[band] if band else None, limit=limit)
        portfolio = reader.portfolio()
    if as_json:
        print_json(asdict(account) for account in found)
    else:
        print_table(_HEADINGS, map(_row, found), right=(2, 3, 5, 6, 7))
    click.echo(portfolio_line(portfolio), err=True)


def open_reader() -> "HealthReader":
    """Read the configured database; raises NoTables where nothing was ever stored."""
    from pipeline.settings import load_settings
    from sinks.postgres import migrations
    from sinks.postgres.reading import HealthReader

    dsn = load_settings("database_url").database_url.get_secret_value()
    if migrations.current(dsn) is None:
        raise NoTables(
            "the database of TELLTALE_DATABASE_URL has no tables", hint="Run `telltale db upgrade`."
        )
    return HealthReader(dsn)


def band_word(symbol: str) -> str:
    """AT_RISK as ``at risk``."""
    return symbol.lower().replace("_", " ")


def portfolio_line(lines: Iterable[PortfolioLine]) -> str:
    """How many accounts are in which band, and what they pay that are at risk, by currency."""
    bands: Counter[str] = Counter()
    at_risk: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        bands.update(line.accounts_by_band)
        if line.currency:
            at_risk[line.currency] += line.cmrr_at_risk
    counts = "   ".join(
        f"{bands[symbol]} {band_word(symbol)}" for symbol in reversed(BANDS.values()) if symbol != "UNKNOWN"
    )
    sums = ", ".join(money(amount, currency) for currency, amount in sorted(at_risk.items()) if amount)
    return f"Accounts  {counts}   {bands['UNKNOWN']} unknown     at risk {sums or 'nothing'}"


def _row(account: AccountHealth) -> tuple[object, ...]:
    score, before = account.score, account.score_7d_ago
    return (
        account.account_id,
        account.name,
        None if score is None else f"{score:.1f}",
        None if score is None or before is None else f"{score - before:+.1f}",
        band_word(account.band),
        f"{account.coverage:.0%}",
        len(account.open_alerts) or None,
        money(account.cmrr, account.currency) or None,
        account.renewal_date,
        account.owner,
    )
