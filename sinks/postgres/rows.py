"""
Records of the three topics → rows of the tables. Pure: no database here, and no order between batches.

Postgres cannot hold the character NUL, neither in text nor in JSON. The right place to refuse it is where
text comes in; what is in the topics all the same must not lose its record. So a NUL is stored as U+FFFD,
Unicode's sign for what could not be shown. What gives no row at all is a rejection among the rows, not an
error.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import TIMESTAMP, Date, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.intake.received import Code as DecodeCode
from pipeline.wire.avro import Undecodable
from pipeline.wire.contract import Contract
from pipeline.wire.outputs import SCORED_AT, OutputDecoder
from pipeline.wire.registry import Registry, RegistryUnavailable
from sinks.postgres.tables import account, alert, alert_event, health_change, health_snapshot
from sinks.target import Record, TargetAway

Row: TypeAlias = dict[str, Any]
"""Column → value, as the driver takes it; JSON is text."""

Code: TypeAlias = DecodeCode | Literal["sink_value", "sink_constraint"]
"""
Why a record is not stored: as for a dead letter, or a value no column can hold, or Postgres refuses its row.
"""

CODES: Final[tuple[Code, ...]] = (
    "too_large",
    "decode",
    "unknown_schema",
    "schema_mismatch",
    "range",
    "sink_value",
    "sink_constraint",
)
"""The codes that occur, for the metric's labels."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
# Kafka has no times before, and partitions of years with five digits have no name.
_CHANGES_FROM: Final = 0
_CHANGES_UNTIL: Final = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)
_JSON_TIMES: Final = frozenset({"fresh_until", "opened_at", "expires_at", "occurred_at"})
_FILLED_BY_POSTGRES: Final = frozenset({"committed_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A record that cannot be stored; *detail* is a sentence."""

    record: Record
    code: Code
    detail: str

    @property
    def account_id(self) -> str:
        """The account that the record's key names."""
        return _account_of(self.record)


@dataclass(slots=True, kw_only=True)
class Batch:
    """
    Rows of one batch: of accounts, snapshots and alerts the newest per key, of history all.

    *erased* are accounts whose record in the compacted topic was null. *rejected* are records that gave no
    row.
    """

    erased: set[str] = field(default_factory=set)
    accounts: dict[str, Row] = field(default_factory=dict)
    snapshots: dict[str, Row] = field(default_factory=dict)
    changes: list[Row] = field(default_factory=list)
    alerts: dict[str, Row] = field(default_factory=dict)
    alert_events: list[Row] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    def tables(self) -> tuple[tuple[Table, Sequence[Row]], ...]:
        """The rows by table, in the order to write them: a snapshot refers to its account."""
        return (
            (account, list(self.accounts.values())),
            (health_snapshot, list(self.snapshots.values())),
            (health_change, self.changes),
            (alert, list(self.alerts.values())),
            (alert_event, self.alert_events),
        )

    def account_ids(self) -> set[str]:
        """The accounts that rows and rejected records are of."""
        ids = {row["account_id"] for _, rows in self.tables() for row in rows}
        return ids | {rejection.account_id for rejection in self.rejected}

    def without(self, account_ids: Collection[str]) -> "Batch":
        """The batch less all that is of *account_ids*; the erasures stand."""
        if not account_ids:
            return self
        return Batch(
            erased=self.erased,
            accounts={name: row for name, row in self.accounts.items() if name not in account_ids},
            snapshots={name: row for name, row in self.snapshots.items() if name not in account_ids},
            changes=[row for row in self.changes if row["account_id"] not in account_ids],
            alerts={name: row for name, row in self.alerts.items() if row["account_id"] not in account_ids},
            alert_events=[row for row in self.alert_events if row["account_id"] not in account_ids],
            rejected=[each for each in self.rejected if each.account_id not in account_ids],
        )


class RowMaker:
    """Decodes records and sorts them into rows; *contract* says which topic is which."""

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._decoder = OutputDecoder(contract, registry)
        self._add: dict[str, Callable[[Batch, Row], None]] = {
            contract.current.name: _add_snapshot,
            contract.change.name: _add_change,
            contract.alert.name: _add_alert,
        }
        self._current = contract.current.name

    def batch(self, records: Iterable[Record]) -> Batch:
        """Rows of *records*; ``TargetAway`` if the registry is away."""
        batch = Batch()
        for record in records:
            if record.value is None and record.partition.topic == self._current:
                batch.erased.add(_account_of(record))
                continue
            try:
                self._add[record.partition.topic](batch, self._value(record))
            except RegistryUnavailable as error:
                raise TargetAway(f"the schema registry does not answer: {error}") from error
            except Undecodable as error:
                batch.rejected.append(Rejection(record=record, code=error.code, detail=error.detail))
            except (ValueError, ArithmeticError) as error:
                batch.rejected.append(
                    Rejection(record=record, code="sink_value", detail=storable_text(str(error)))
                )
        return batch

    def _value(self, record: Record) -> Row:
        if record.value is None:
            raise ValueError("its value is null, which only the topic of latest health may have")
        value = self._decoder.decode(record.partition.topic, record.value)
        scored_at = None
        for name, content in record.headers:
            if name == SCORED_AT and content is not None:
                scored_at = content
        if scored_at is not None and not scored_at.isdigit():
            raise ValueError(f"the header {SCORED_AT} is no number")
        return value | {
            "scored_at": None if scored_at is None else int(scored_at),
            "produced_at": record.timestamp,
        }


def _newest(rows: dict[str, Row], key: str, row: Row, rank: tuple[str, str]) -> None:
    """
    Keep *row* under *key* unless the one there ranks as high: of equal rows the first stays, as in the table.
    """
    held = rows.get(key)
    if held is None or (held[rank[0]], held[rank[1]]) < (row[rank[0]], row[rank[1]]):
        rows[key] = row


def _add_snapshot(batch: Batch, value: Row) -> None:
    # Both rows or none: the second may be what cannot be made.
    latest, facts = _snapshot_row(value), _account_row(value | {"name": value["account_name"]})
    _newest(batch.snapshots, latest["account_id"], latest, ("epoch", "version"))
    _newest(batch.accounts, facts["account_id"], facts, ("epoch", "version"))


def _add_change(batch: Batch, value: Row) -> None:
    if not _CHANGES_FROM <= value["as_of"] < _CHANGES_UNTIL:
        raise ValueError(f"as_of is {value['as_of']} ms, not a time from 1970 to 2199")
    batch.changes.append(_change_row(value))


def _add_alert(batch: Batch, value: Row) -> None:
    batch.alert_events.append(_alert_event_row(value))
    row = _alert_row(value)
    _newest(batch.alerts, row["alert_id"], row, ("epoch", "sequence"))


def moment(ms: int) -> datetime:
    """Time in ms UTC as the driver takes it; ``OverflowError`` outside the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=ms)


def _account_of(record: Record) -> str:
    """The key as the rows have it: an account's id."""
    return storable_text((record.key or b"").decode(errors="replace"))


def _day(days: int) -> date:
    return date.fromordinal(_FIRST_DAY + days)


def storable_text(value: str) -> str:
    """*value* as Postgres can hold it."""
    return value.replace("\0", "�")


def _json(value: Any) -> str:
    return json.dumps(_readable(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _readable(value: Any) -> Any:
    """For people who query: times as text that casts to timestamptz."""
    match value:
        case str():
            return storable_text(value)
        case dict():
            return {
                key: moment(part).isoformat(timespec="milliseconds")
                if key in _JSON_TIMES and part is not None
                else _readable(part)
                for key, part in value.items()
            }
        case list():
            return [_readable(part) for part in value]
        case _:
            return value


def _row_of(table: Table) -> Callable[[Mapping[str, Any]], Row]:
    """Return the function that fills *table*'s columns from the fields of the same names."""
    converters: dict[type, Callable[[Any], Any]] = {
        TIMESTAMP: moment,
        Date: _day,
        JSONB: _json,
        Text: storable_text,
    }
    columns = [
        (column.name, converters.get(type(column.type)))
        for column in table.columns
        if column.name not in _FILLED_BY_POSTGRES
    ]

    def row(value: Mapping[str, Any]) -> Row:
        return {
            name: found if found is None or convert is None else convert(found)
            for name, convert in columns
            for found in (value[name],)
        }

    return row


_account_row = _row_of(account)
_snapshot_row = _row_of(health_snapshot)
_change_row = _row_of(health_change)
_alert_row = _row_of(alert)
_alert_event_row = _row_of(alert_event)
