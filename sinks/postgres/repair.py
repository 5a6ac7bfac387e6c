"""
What an operator does about the sink past its process: has a topic read again, sees what was quarantined,
tries it again.

All of it may be done while sinks run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg
from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, select, tuple_
from sqlalchemy.exc import DBAPIError

from sinks.postgres.connection import make_engine
from sinks.postgres.erasure import apply_erasures, hold_erasures, readmit
from sinks.postgres.faults import is_about_a_row
from sinks.postgres.migrations import require_schema
from sinks.postgres.partitions import ensure_partitions, month_of
from sinks.postgres.positions import Positions
from sinks.postgres.rows import RowMaker
from sinks.postgres.statements import store_batch
from sinks.postgres.tables import sink_rejected
from sinks.postgres.transactions import run_in_transaction
from sinks.target import Partition, Record

_KEY: Final = tuple(sink_rejected.primary_key.columns)

Place: TypeAlias = tuple[Any, ...]
"""Primary key of a rejected record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """A record that was quarantined: where it stands, its key (an account id) if it has one, and why."""

    topic: str
    partition: int
    record_offset: int
    key: str | None
    code: str
    detail: str
    first_seen: datetime


class Retried(NamedTuple):
    """How many rejected records are stored by now, and how many still are refused."""

    stored: int
    refused: int


@contextmanager
def sink_repair(dsn: str, *, group: str) -> Iterator["SinkRepair"]:
    """
    What can be done at *dsn* for the sink of consumer group *group*; ``SchemaOutdated`` if its tables are
    old.
    """
    engine = make_engine(dsn, application="telltale-sink-repair")
    try:
        run_in_transaction(engine, require_schema)
        yield SinkRepair(engine, group=group)
    finally:
        engine.dispose()


class SinkRepair:
    """
    The positions and rejected records of consumer group *group*; every method may raise ``DatabaseAway``.
    """

    def __init__(self, engine: Engine, *, group: str) -> None:
        self._engine = engine
        self._group = group

    def rewind(self, topic: str) -> int:
        """Have *topic* read again from its start; of how many partitions a position was known."""
        positions = Positions(self._group)
        return run_in_transaction(self._engine, lambda connection: positions.rewind(connection, topic))

    def rejected(self, *, limit: int) -> Sequence[RejectedRecord]:
        """The *limit* rejected records that were seen last, the newest first."""
        newest = select(sink_rejected).where(self._ours()).order_by(sink_rejected.c.first_seen.desc())
        rows = run_in_transaction(
            self._engine, lambda connection: connection.execute(newest.limit(limit)).all()
        )
        return [
            RejectedRecord(
                topic=row.topic,
                partition=row.partition,
                record_offset=row.record_offset,
                key=None if row.key is None else row.key.decode(errors="replace"),
                code=row.code,
                detail=row.detail,
                first_seen=row.first_seen,
            )
            for row in rows
        ]

    def rejected_by_code(self) -> Mapping[str, int]:
        """How many records are quarantined, by code."""
        counts = select(sink_rejected.c.code, func.count()).where(self._ours()).group_by(sink_rejected.c.code)
        rows = run_in_transaction(self._engine, lambda connection: connection.execute(counts).all())
        return dict(rows)

    def retry(self, rows: RowMaker) -> Retried:
        """
        Store the rejected records that can be stored by now, each in a transaction that takes it off the
        list.

        In the order of their topics, though it does not matter: rows never go back. ``TargetAway`` if the
        registry is.
        """
        order = select(*_KEY).where(self._ours()).order_by(*_KEY)
        places = run_in_transaction(
            self._engine, lambda connection: [tuple(row) for row in connection.execute(order)]
        )
        stored = sum(self._store(place, rows) for place in places)
        return Retried(stored=stored, refused=len(places) - stored)

    def readmit(self, account_id: str) -> bool:
        """Have records of an erased account stored again from now on; False if it is not erased."""
        return run_in_transaction(self._engine, lambda connection: readmit(connection, account_id))

    def _store(self, place: Place, rows: RowMaker) -> bool:
        """Whether the record at *place* is stored now, or was taken off the list by another."""

        def store(connection: Connection) -> bool:
            hold_erasures(connection)
            here = tuple_(*_KEY) == place
            row = connection.execute(select(sink_rejected).where(here).with_for_update()).one_or_none()
            if row is None:
                return True
            batch = rows.batch([_record(row)])
            if batch.rejected:
                return False
            ensure_partitions(connection, {month_of(change["as_of"]) for change in batch.changes})
            store_batch(connection, apply_erasures(connection, batch))
            connection.execute(delete(sink_rejected).where(here))
            return True

        try:
            return run_in_transaction(self._engine, store)
        except (DBAPIError, psycopg.Error) as error:
            if not is_about_a_row(error):
                raise
            return False

    def _ours(self) -> ColumnElement[bool]:
        return sink_rejected.c.consumer_group == self._group


def _record(row: Row[Any]) -> Record:
    return Record(
        partition=Partition(row.topic, row.partition),
        offset=row.record_offset,
        timestamp=row.timestamp,
        key=row.key,
        value=row.value,
        headers=tuple((name, None if value is None else bytes.fromhex(value)) for name, value in row.headers),
    )
