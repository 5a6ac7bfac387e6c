"""
The target of the Postgres sink: each batch one transaction, rows and positions together, as the owner or not at all.

What the database refuses for a reason of its own (restart, deadlock, disk full) is tried again; what it refuses
because of the rows stops the sink, which skips nothing. After a lost connection nobody knows whether the commit
happened: the consumer asks ``positions`` and reads on from there, which is right in both cases.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

import psycopg
import structlog
from sqlalchemy import Connection, Engine, delete
from sqlalchemy.exc import DBAPIError

from pipeline import metrics
from sinks.postgres.connection import CONFLICTS, DatabaseAway, sqlstate, transaction, words
from sinks.postgres.migrations import require_schema
from sinks.postgres.partitions import ensure_partitions, month_of
from sinks.postgres.positions import Epochs, Positions
from sinks.postgres.rows import Batch, RowMaker
from sinks.postgres.statements import STORING
from sinks.postgres.tables import account
from sinks.target import BadRecord, Partition, Record

T = TypeVar("T")

BACKFILL: Final = timedelta(hours=24)
"""Stored this long after it happened, a change comes from a loaded history or an outage and says nothing of speed."""

_PAUSES: Final = (0.01, 0.05, 0.2, 0.5)  # Seconds before a conflict is tried again, each plus up to as much.

_log = structlog.get_logger(__name__)


class PostgresTarget:
    """Stores records through *engine* under the positions of *group*; see ``sinks.target.Target``."""

    def __init__(self, engine: Engine, *, group: str, rows: RowMaker) -> None:
        self._engine = engine
        self._rows = rows
        self._positions = Positions(group)
        self._epochs: Epochs = {}
        self._months: set[date] = set()

    def claim(self, partitions: Sequence[Partition], topic_ids: Mapping[str, str]) -> Mapping[Partition, int]:
        """Become the owner of *partitions* and of no others, and say where to read on."""

        def take(connection: Connection) -> tuple[Epochs, Mapping[Partition, int]]:
            require_schema(connection)
            return self._positions.claim(connection, partitions, topic_ids)

        self._epochs, positions = self._in_transaction(take)
        return positions

    def positions(self) -> Mapping[Partition, int]:
        """Where to read on, of what was claimed last; ``Fenced`` if it was lost meanwhile."""
        return self._in_transaction(lambda connection: self._positions.held(connection, self._epochs))

    def write(self, batch: Sequence[Record]) -> None:
        """Store *batch* and its positions in one transaction."""
        rows = self._rows.batch(batch)
        self._have_months({month_of(row["as_of"]) for row in rows.changes})
        began = time.perf_counter()

        def store(connection: Connection) -> dict[str, int]:
            self._positions.advance(connection, self._epochs, batch)
            return _store(connection, rows)

        try:
            written = self._in_transaction(store)
        except (DBAPIError, psycopg.Error) as error:
            raise _refused(batch, error) from error
        metrics.SINK_WRITE_SECONDS.observe(time.perf_counter() - began)
        _count(rows, written)

    def way_back(self, topic: str) -> str:
        """How an operator has *topic* read from its start."""
        return self._positions.way_back(topic)

    def _have_months(self, months: set[date]) -> None:
        """Make partitions in a transaction of their own, before the one that locks rows."""
        if months <= self._months:
            return
        made = self._in_transaction(lambda connection: ensure_partitions(connection, months))
        self._months |= months
        for month in made:
            _log.info("sink.partition_made", table="health_change", month=f"{month:%Y-%m}")

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        """Run *work* in a transaction, again if another one was in its way; ``DatabaseAway`` when that does not help."""
        for pause in _PAUSES:
            try:
                with transaction(self._engine) as connection:
                    return work(connection)
            except (DBAPIError, psycopg.Error) as error:
                if sqlstate(error) not in CONFLICTS:
                    raise
                _log.info("sink.conflict_retried", reason=words(error))
            time.sleep(pause * (1 + random.random()))  # noqa: S311 - to part two that collided, not a secret
        raise DatabaseAway(f"the same transaction met a conflict {len(_PAUSES)} times")


def _store(connection: Connection, batch: Batch) -> dict[str, int]:
    """Write all rows; how many changed something, by table."""
    if batch.erased:
        connection.execute(delete(account).where(account.c.account_id.in_(batch.erased)))
    return {table.name: STORING[table].store(connection, rows) for table, rows in batch.tables() if rows}


def _count(batch: Batch, written: Mapping[str, int]) -> None:
    rows_by_table = {table.name: len(rows) for table, rows in batch.tables() if rows}
    metrics.SINK_BATCH_ROWS.observe(sum(rows_by_table.values()))
    for table, rows in rows_by_table.items():
        metrics.SINK_ROWS.labels(table, "written").inc(written[table])
        metrics.SINK_ROWS.labels(table, "stale").inc(rows - written[table])
    now = datetime.now(UTC)
    for change in batch.changes:
        # Of a change that an event made, as_of is the Kafka timestamp of that event.
        age = now - change["as_of"]
        if change["kind"] == "EVENT" and age < BACKFILL:
            metrics.EVENT_LATENCY.labels("stored").observe(max(0.0, age.total_seconds()))


def _refused(batch: Sequence[Record], error: DBAPIError | psycopg.Error) -> BadRecord:
    spans: dict[Partition, tuple[int, int]] = {}
    for record in batch:
        first, _ = spans.get(record.partition, (record.offset, 0))
        spans[record.partition] = (first, record.offset)
    where = ", ".join(f"{partition} {first} to {last}" for partition, (first, last) in spans.items())
    return BadRecord(
        f"Postgres refuses a row of {where}: {words(error)} (SQLSTATE {sqlstate(error)})",
        hint="The sink skips nothing. Is the schema up to date? Else find the row and who wrote it.",
    )
