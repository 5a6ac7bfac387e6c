"""
Months of ``health_change``: a partition is made when the first change of its month (UTC) arrives.

Made beside the table and then attached: that takes a lock which readers and writers of the other months do
not feel, where ``CREATE TABLE … PARTITION OF`` would wait for the longest query and make everybody wait
behind it.

A month that somebody detached, to archive it, is attached again: its name is taken, and a change that is read
again has to meet the row it became.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from sinks.postgres.erasure import delete_erased, hold_erasures
from sinks.postgres.faults import is_away, is_conflict, sqlstate, words
from sinks.postgres.tables import health_change
from sinks.target import TargetUnfit

PARENT: Final = health_change.name
_NAME: Final = re.compile(PARENT + r"_y\d{4}m\d{2}")
_LOCK: Final = 0x7E117A1E_0002
"""Advisory lock of those who make partitions; any number that is not used otherwise."""


class Ensured(NamedTuple):
    """Months that were missing: *made* now, or *attached* again since their table was there."""

    made: tuple[date, ...]
    attached: tuple[date, ...]


def month_of(time: datetime) -> date:
    """First day of the month *time* is in; *time* is in UTC."""
    return date(time.year, time.month, 1)


def partition_name(month: date) -> str:
    """Table that holds *month*: ``health_change_y2026m11``."""
    return f"{PARENT}_y{month:%Y}m{month:%m}"


def ensure_partitions(connection: Connection, months: Iterable[date]) -> Ensured:
    """
    Make or attach the partitions of *months* that are missing, and say which were; the caller commits.

    ``TargetUnfit`` if a detached one does not fit any more.
    """
    hold_erasures(connection)
    # One after another: two sinks meet the first change of a month at the same moment.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    there = set(
        connection.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:parent)"),
            {"parent": PARENT},
        )
    )
    missing = sorted(month for month in set(months) if partition_name(month) not in there)
    detached = tuple(month for month in missing if _is_there(connection, partition_name(month)))
    made = tuple(month for month in missing if month not in detached)
    for month in detached:
        _attach_again(connection, month)
    for month in made:
        connection.execute(
            text(
                f"CREATE TABLE {partition_name(month)} (LIKE {PARENT} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            )
        )
        _attach(connection, month)
    return Ensured(made=made, attached=detached)


def _is_there(connection: Connection, table: str) -> bool:
    return connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is not None


def _attach_again(connection: Connection, month: date) -> None:
    try:
        _attach(connection, month)
    except DBAPIError as error:
        if is_conflict(error) or is_away(error):
            raise
        # Also where it is about a row: that is one of the table's, not of the batch.
        name = partition_name(month)
        raise TargetUnfit(
            f"table {name} is detached from {PARENT} and cannot be attached again: {words(error)} "
            f"(SQLSTATE {sqlstate(error)})",
            hint=f"Make it fit, or give it another name (`ALTER TABLE {name} RENAME TO {name}_archived`): then a "
            "new one is made for the month. Then start the sink again.",
        ) from error
    delete_erased(connection, health_change)  # No erasure reaches a table that stands apart.


def _attach(connection: Connection, month: date) -> None:
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    connection.execute(
        text(
            f"ALTER TABLE {PARENT} ATTACH PARTITION {partition_name(month)} "
            f"FOR VALUES FROM ('{month} 00:00+00') TO ('{following} 00:00+00')"
        )
    )


def is_partition(table: str) -> bool:
    """Whether *table* is a month of ``health_change``."""
    return _NAME.fullmatch(table) is not None
