"""
The target of the Postgres sink: each batch one transaction, rows and positions together, as the owner or not
at all.

What the database refuses for a reason of its own (restart, deadlock, disk full) is tried again. If it refuses
a row, the batch is cut in halves until that row's record stands alone, and is quarantined. After a lost
connection nobody knows whether the commit happened: the consumer asks ``positions`` and reads on from there,
which is right in both cases.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

import psycopg
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pipeline import metrics
from sinks.postgres.erasure import apply_erasures
from sinks.postgres.faults import is_about_a_row, sqlstate, words
from sinks.postgres.migrations import require_schema
from sinks.postgres.partitions import ensure_partitions, month_of
from sinks.postgres.positions import Claims, Positions
from sinks.postgres.rejected import RejectedRecords
from sinks.postgres.rows import Batch, Rejection, RowMaker
from sinks.postgres.statements import store_batch
from sinks.postgres.transactions import run_in_transaction
from sinks.target import Partition, Record, TargetUnfit

T = TypeVar("T")

BACKFILL: Final = timedelta(hours=24)
"""
Stored this long after it happened, a change comes from a loaded history or an outage and says nothing of
speed.
"""

_log = structlog.get_logger(__name__)


class _RowRefused(Exception):  # noqa: N818 - reads as what happened
    """Postgres refuses a row, it does not say of which record; nothing was stored."""


class PostgresTarget:
    """
    Stores records through *engine* under the positions of *group*; see ``sinks.target.Target``.

    A transaction may take *transaction_seconds*, then the server counts as away. With *accept_flood* any
    number of records may be quarantined.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        group: str,
        rows: RowMaker,
        transaction_seconds: float = math.inf,
        accept_flood: bool = False,
    ) -> None:
        self._engine = engine
        self._seconds = transaction_seconds
        self._rows = rows
        self._positions = Positions(group)
        self._rejected = RejectedRecords(group, accept_flood=accept_flood)
        self._claims: Claims = {}
        self._topic_ids: Mapping[str, str] = {}
        self._months: set[date] = set()

    def claim(self, partitions: Sequence[Partition], topic_ids: Mapping[str, str]) -> Mapping[Partition, int]:
        """Become the owner of *partitions* and of no others, and say where to read on."""

        def take(connection: Connection) -> Claims:
            require_schema(connection)
            return self._positions.claim(connection, partitions, topic_ids)

        self._claims = self._in_transaction(take)
        self._topic_ids = topic_ids
        self._months.clear()  # The database may be another than before.
        return self._next_offsets()

    def positions(self) -> Mapping[Partition, int]:
        """Where to read on, of what was claimed last."""
        self._claims = self._in_transaction(lambda connection: self._positions.held(connection, self._claims))
        return self._next_offsets()

    def check(self) -> None:
        """See that all that was claimed still stands where it was left."""
        self.positions()

    def write(self, batch: Sequence[Record]) -> None:
        """Store *batch* and its positions, in one transaction if no row is refused."""
        try:
            self._store(batch, self._rows.batch(batch))
        except _RowRefused:
            # A month may be what is missing: detached by somebody, or not in a restored backup.
            self._months.clear()
            self._store_in_parts(batch)

    def way_back(self, topic: str) -> str:
        """How an operator has *topic* read from its start."""
        return self._positions.way_back(topic)

    def _store_in_parts(self, batch: Sequence[Record]) -> None:
        """Store what is good in *batch*, in its order, and quarantine what is not."""
        try:
            self._store(batch, self._rows.batch(batch))
        except _RowRefused as refused:
            if len(batch) == 1:
                rejection = Rejection(record=batch[0], code="sink_constraint", detail=str(refused))
                self._store(batch, Batch(rejected=[rejection]))
            else:
                middle = len(batch) // 2
                self._store_in_parts(batch[:middle])
                self._store_in_parts(batch[middle:])

    def _store(self, batch: Sequence[Record], rows: Batch) -> None:
        """
        Store *rows*, quarantine what is rejected among them, and move the positions behind *batch*: all or
        nothing.
        """
        began = time.perf_counter()

        def store(connection: Connection) -> tuple[Claims, Batch, dict[str, int]]:
            moved = self._positions.advance(connection, self._claims, batch)
            kept = apply_erasures(connection, rows)
            if kept.rejected:
                self._rejected.quarantined(connection, kept.rejected, self._topic_ids)
            return moved, kept, store_batch(connection, kept)

        try:
            self._have_months({month_of(row["as_of"]) for row in rows.changes})
            moved, kept, written = self._in_transaction(store)
        except (DBAPIError, psycopg.Error) as error:
            if is_about_a_row(error):
                raise _RowRefused(f"{words(error)} (SQLSTATE {sqlstate(error)})") from error
            raise TargetUnfit(
                f"Postgres refuses to store records: {words(error)} (SQLSTATE {sqlstate(error)})",
                hint="Run `telltale db upgrade`, and see that the sink's role may write to all tables.",
            ) from error
        self._claims = {**self._claims, **moved}
        metrics.SINK_WRITE_SECONDS.observe(time.perf_counter() - began)
        _count(rows, kept, written)
        for account_id in sorted(rows.erased):
            _log.info("sink.account_erased", account_id=account_id)
        for rejection in kept.rejected:
            _report(rejection)

    def _have_months(self, months: set[date]) -> None:
        """Make or attach partitions in a transaction of their own, before the one that locks rows."""
        if months <= self._months:
            return
        ensured = self._in_transaction(lambda connection: ensure_partitions(connection, months))
        self._months |= months
        for month in ensured.made:
            _log.info("sink.partition_made", table="health_change", month=f"{month:%Y-%m}")
        for month in ensured.attached:
            _log.warning(
                "sink.partition_attached",
                table="health_change",
                month=f"{month:%Y-%m}",
                hint="It had been detached, and a change of that month came. Under another name a table stays apart.",
            )

    def _next_offsets(self) -> dict[Partition, int]:
        return {partition: claim.next_offset for partition, claim in self._claims.items()}

    def _in_transaction(self, work: Callable[[Connection], T]) -> T:
        return run_in_transaction(self._engine, work, seconds=self._seconds)


def _count(batch: Batch, kept: Batch, written: Mapping[str, int]) -> None:
    """Count the rows of *batch*, of which *kept* are of no erased account."""
    metrics.SINK_BATCH_ROWS.observe(sum(len(rows) for _, rows in kept.tables()))
    for (table, rows), (_, handed) in zip(kept.tables(), batch.tables(), strict=True):
        if handed:
            changed = written.get(table.name, 0)
            metrics.SINK_ROWS.labels(table.name, "written").inc(changed)
            metrics.SINK_ROWS.labels(table.name, "stale").inc(len(rows) - changed)
            metrics.SINK_ROWS.labels(table.name, "erased").inc(len(handed) - len(rows))
    now = datetime.now(UTC)
    for change in kept.changes:
        # Of a change that an event made, as_of is the Kafka timestamp of that event.
        age = now - change["as_of"]
        if change["kind"] == "EVENT" and age < BACKFILL:
            metrics.EVENT_LATENCY.labels("stored").observe(max(0.0, age.total_seconds()))


def _report(rejection: Rejection) -> None:
    partition, offset = rejection.record.partition, rejection.record.offset
    metrics.DEAD_LETTERS.labels(partition.topic, rejection.code).inc()
    _log.warning(
        "sink.record_rejected",
        topic=partition.topic,
        partition=partition.number,
        offset=offset,
        code=rejection.code,
        reason=rejection.detail,
        hint="It is kept in sink_rejected. When its cause is mended, `telltale sink retry` stores it.",
    )
