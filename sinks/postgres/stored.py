"""
Rows as they are stored, and as they would be made of a record: for holding the two together.

Columns that tell wall-clock times (scored, produced, committed) are left out, since nothing else says what
they should be. Nothing is judged here.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from sqlalchemy import Connection, Table, select, text
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.wire.contract import Contract
from pipeline.wire.registry import Registry
from sinks.postgres.connection import make_engine
from sinks.postgres.migrations import require_schema
from sinks.postgres.rows import Row, RowMaker
from sinks.postgres.tables import (
    account,
    alert,
    alert_event,
    erased_account,
    health_change,
    health_snapshot,
    sink_offset,
    sink_rejected,
)
from sinks.postgres.transactions import transaction
from sinks.target import Partition, Record

_AT_A_TIME: Final = 500
_WALL_CLOCK: Final = frozenset({"scored_at", "produced_at", "committed_at"})
_KEYS: Final[dict[Table, tuple[str, ...]]] = {
    account: ("account_id",),
    health_snapshot: ("account_id",),
    health_change: ("account_id", "epoch", "version"),
    alert: ("alert_id",),
    alert_event: ("alert_id", "sequence"),
}

Key: TypeAlias = tuple[Any, ...]
"""An account; an account, epoch and version; an alert; an alert and a sequence."""


@dataclass(slots=True, kw_only=True)
class StoredRows:
    """
    Rows by table and key, and offsets by topic and partition up to which all records are stored.

    The offsets are no further on than the rows. *quarantined* are topic, partition and offset of records that
    no row could be made of. Of the accounts that are *erased* there may be no row.
    """

    next_offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)
    quarantined: frozenset[tuple[str, int, int]] = frozenset()
    erased: set[str] = field(default_factory=set)
    tables: dict[str, dict[Key, Row]] = field(default_factory=lambda: {table.name: {} for table in _KEYS})


class RowReader:
    """
    Reads what the sink of consumer group *group* stored at *dsn*; every method may raise ``DatabaseAway``.
    """

    def __init__(self, dsn: str, *, group: str) -> None:
        self._engine = make_engine(dsn, application="telltale-verify")
        self._group = group

    def accounts(self) -> set[str]:
        """The ids of all accounts that have a row."""
        with transaction(self._engine) as connection:
            require_schema(connection)
            return _accounts(connection)

    def read(self, accounts: Collection[str]) -> StoredRows:
        """All rows of *accounts*."""
        stored = StoredRows()
        with transaction(self._engine) as connection:
            require_schema(connection)
            stored.next_offsets = self._next_offsets(connection)
            stored.quarantined = self._set_aside(connection)
        wanted = sorted(accounts)
        for start in range(0, len(wanted), _AT_A_TIME):
            some = wanted[start : start + _AT_A_TIME]
            with transaction(self._engine) as connection:
                # One moment for all tables: an account may be erased meanwhile.
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                erased = select(erased_account.c.account_id).where(erased_account.c.account_id.in_(some))
                stored.erased.update(connection.execute(erased).scalars())
                for table, key in _KEYS.items():
                    rows = connection.execute(select(table).where(table.c.account_id.in_(some))).mappings()
                    stored.tables[table.name] |= {
                        tuple(row[name] for name in key): {
                            name: value for name, value in row.items() if name not in _WALL_CLOCK
                        }
                        for row in rows
                    }
        return stored

    def _next_offsets(self, connection: Connection) -> dict[tuple[str, int], int]:
        rows = select(sink_offset).where(sink_offset.c.consumer_group == self._group)
        return {(row.topic, row.partition): row.next_offset for row in connection.execute(rows)}

    def _set_aside(self, connection: Connection) -> frozenset[tuple[str, int, int]]:
        place = (sink_rejected.c.topic, sink_rejected.c.partition, sink_rejected.c.record_offset)
        rows = select(*place).where(sink_rejected.c.consumer_group == self._group)
        return frozenset((topic, number, offset) for topic, number, offset in connection.execute(rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()


def _accounts(connection: Connection) -> set[str]:
    tables = (account, health_change, alert_event)
    return {
        name
        for table in tables
        for name in connection.execute(select(table.c.account_id).distinct()).scalars()
    }


class ExpectedRows:
    """Makes the rows that a record should have become."""

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._maker = RowMaker(contract, registry)

    def of(self, topic: str, value: bytes) -> dict[str, Row]:
        """Rows by table, as ``RowReader`` would read them; none of a record that no row can be made of."""
        record = Record(
            partition=Partition(topic, 0), offset=0, timestamp=None, key=None, value=value, headers=()
        )
        return {
            table.name: _as_read(table, row)
            for table, rows in self._maker.batch([record]).tables()
            for row in rows
        }


def key_of(table: str, row: Mapping[str, Any]) -> Key:
    """The key by which ``StoredRows`` has *row*."""
    [names] = [key for of, key in _KEYS.items() if of.name == table]
    return tuple(row[name] for name in names)


def _as_read(table: Table, row: Row) -> Row:
    """*row* as the driver hands it out: JSON is no text any more."""
    return {
        name: json.loads(value) if value is not None and isinstance(table.c[name].type, JSONB) else value
        for name, value in row.items()
        if name not in _WALL_CLOCK
    }
