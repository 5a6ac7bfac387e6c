"""A database as the suite of all targets sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, make_url

from sinks.postgres.connection import make_engine
from sinks.postgres.tables import metadata
from sinks.postgres.writer import PostgresTarget
from sinks.target import Partition, Target
from tests.integration.postgres_sink_parts import ROWS, rows, run_sql


class PostgresStore:
    """The tables at *dsn*, and backups of them beside; see ``test_target_contract.Store``."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._engines: list[Engine] = []

    def member(self) -> Target:
        engine = make_engine(self._dsn, application="sink")
        self._engines.append(engine)
        return PostgresTarget(engine, group="sink", rows=ROWS)

    def stored(self) -> list[tuple[str, int]]:
        return [
            tuple(row)
            for row in rows(self._dsn, "SELECT account_id, version FROM health_change ORDER BY 1, 2")
        ]

    def quarantined(self) -> list[tuple[Partition, int, bytes | None]]:
        kept = "SELECT topic, partition, record_offset, value FROM sink_rejected ORDER BY 1, 2, 3"
        return [(Partition(row[0], row[1]), row[2], row[3]) for row in rows(self._dsn, kept)]

    def back_up(self) -> None:
        copies = (f"CREATE TABLE backup.{table} AS TABLE {table}" for table in metadata.tables)
        run_sql(self._dsn, f"DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup; {'; '.join(copies)}")

    def restore(self) -> None:
        names = [table.name for table in metadata.sorted_tables]
        back = (f"INSERT INTO {name} SELECT * FROM backup.{name}" for name in names)
        run_sql(self._dsn, f"TRUNCATE {', '.join(names)}; {'; '.join(back)}")

    @contextmanager
    def away(self) -> Iterator[None]:
        url = make_url(self._dsn)
        outside, name = url.set(database="postgres").render_as_string(hide_password=False), url.database
        run_sql(outside, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            ended = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
            run_sql(outside, ended)
            yield
        finally:
            run_sql(outside, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()
