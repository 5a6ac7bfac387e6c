"""
The parts Telltale brings along: a broker, a Postgres server, a process tree, Apache Kafka from Maven Central.

Used by ``telltale run``, ``telltale demo`` and the tests. Nothing here knows accounts, events or topics of
Telltale.
"""
