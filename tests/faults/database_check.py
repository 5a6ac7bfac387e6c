"""
Postgres against the topics, row by row: each change and transition stored once, the latest as the latest.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import psycopg

from tests.faults.evidence import ALERT, CHANGE, CURRENT, Output
from tests.faults.generator import CANARY

_CHANGE: Final = (
    "account_id", "epoch", "version", "kind", "score_before", "score_after", "band_before", "band_after",
    "coverage_before", "coverage_after", "causes_count", "as_of",
)  # fmt: skip
_SNAPSHOT: Final = (
    "account_id", "epoch", "version", "score", "band", "computed_band", "forced_by", "coverage", "score_7d_ago",
    "score_28d_ago", "as_of",
)  # fmt: skip
_FACTS: Final = (
    "account_id", "epoch", "version", "owner", "segment", "seats", "cmrr", "currency", "renewal_date", "closed",
)  # fmt: skip
_ALERT: Final = (
    "alert_id", "sequence", "epoch", "version", "account_id", "sign", "transition", "severity", "band", "reason",
    "opened_at", "due_at", "resolved_by", "as_of",
)  # fmt: skip

Row = tuple[Any, ...]
Names = tuple[str, ...]
Fields = dict[str, Any]


def rows_differ(dsn: str, outputs: dict[str, list[Output]]) -> Iterator[str]:
    """A line for each table that does not hold exactly what *outputs*, by topic, say."""
    snapshots = _newest(outputs[CURRENT], ("account_id",), ("epoch", "version"))
    transitions = _first(outputs[ALERT], ("alert_id", "sequence"))
    expected = (
        ("health_change", _CHANGE, _first(outputs[CHANGE], ("account_id", "epoch", "version"))),
        ("health_snapshot", _SNAPSHOT, snapshots),
        ("account", _FACTS, snapshots),
        ("alert_event", _ALERT, transitions),
        ("alert", _ALERT, _newest(outputs[ALERT], ("alert_id",), ("epoch", "sequence"))),
    )
    with psycopg.connect(dsn.replace("+psycopg", "")) as connection:
        for table, columns, records in expected:
            wanted = sorted(repr(_row(columns, fields)) for fields in records)
            select = f"SELECT {', '.join(columns)} FROM {table}"
            held = sorted(repr(_plain(row)) for row in connection.execute(select).fetchall())
            if wanted != held:
                missing, strange = set(wanted) - set(held), set(held) - set(wanted)
                example = next(iter(missing or strange), "a row twice")
                yield f"SQL: {table}: {len(missing)} rows missing, {len(strange)} strange, for example {example}"
            personal = f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s"
            if connection.execute(personal, (f"%{CANARY}%",)).fetchone() != (0,):
                yield f"I7: {table} holds an e-mail address or a comment"


def _first(outputs: Iterable[Output], key: Names) -> list[Fields]:
    """History: of the records with one key the first, as a repeat changes nothing."""
    held: dict[Row, Fields] = {}
    for output in outputs:
        held.setdefault(_pick(key, output.fields), output.fields)
    return list(held.values())


def _newest(outputs: Iterable[Output], key: Names, rank: Names) -> list[Fields]:
    """The latest: of the records with one key the one that ranks highest."""
    held: dict[Row, Fields] = {}
    for fields in sorted((output.fields for output in outputs), key=lambda fields: _pick(rank, fields)):
        held[_pick(key, fields)] = fields
    return list(held.values())


def _pick(names: Names, fields: Fields) -> Row:
    return tuple(fields[name] for name in names)


def _row(columns: Names, fields: Fields) -> Row:
    return _plain(_pick(columns, fields))


def _plain(row: Row) -> Row:
    return tuple(round(v.timestamp() * 1000) if isinstance(v, datetime) else v for v in row)
