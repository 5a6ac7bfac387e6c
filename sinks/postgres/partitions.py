"""
Months of ``health_change``: a partition is made when the first change of its month (UTC) arrives.

Made beside the table and then attached: that takes a lock which readers and writers of the other months do not feel,
where ``CREATE TABLE … PARTITION OF`` would wait for the longest query and make everybody wait behind it.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, text

PARENT: Final = "health_change"
_NAME: Final = re.compile(PARENT + r"_y\d{4}m\d{2}")
_LOCK: Final = 0x7E117A1E_0002
"""Advisory lock of those who make partitions; any number that is not used otherwise."""


def month_of(time: datetime) -> date:
    """First day of the month *time* is in; *time* is in UTC."""
    return date(time.year, time.month, 1)


def partition_name(month: date) -> str:
    """Table that holds *month*: ``health_change_y2026m11``."""
    return f"{PARENT}_y{month:%Y}m{month:%m}"


def ensure_partitions(connection: Connection, months: Iterable[date]) -> tuple[date, ...]:
    """Make the partitions of *months* that are missing, and say which were; the caller commits."""
    # One after another: two sinks meet the first change of a month at the same moment.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    there = set(
        connection.scalars(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:parent)"),
            {"parent": PARENT},
        )
    )
    missing = tuple(sorted(month for month in set(months) if partition_name(month) not in there))
    for month in missing:
        name = partition_name(month)
        following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        connection.execute(
            text(f"CREATE TABLE {name} (LIKE {PARENT} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        )
        connection.execute(
            text(
                f"ALTER TABLE {PARENT} ATTACH PARTITION {name} "
                f"FOR VALUES FROM ('{month} 00:00+00') TO ('{following} 00:00+00')"
            )
        )
    return missing


def is_partition(table: str) -> bool:
    """Whether *table* is a month of ``health_change``."""
    return _NAME.fullmatch(table) is not None
