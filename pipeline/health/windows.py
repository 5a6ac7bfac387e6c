"""
Windows of event time: counts per bucket over the newest buckets, and the calendar they are cut from.

A bucket is a UTC day or a week from Monday to Sunday, numbered from 1970. What the counts mean belongs to those who keep them.
"""

from array import array
from datetime import UTC, datetime, timedelta

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LIMITS = {"H": 0xFFFF, "I": 0xFFFF_FFFF}


def day_of(at: int) -> int:
    """UTC day of a time in ms, in days since 1970-01-01."""
    return at // DAY


def week_of(day: int) -> int:
    """Week of a day; weeks start on Monday, and day 0 was a Thursday."""
    return (day + 3) // 7


def date_text(day: int) -> str:
    """A day as people read it in a sentence: ``2026-11-13``."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


class Ring:
    """
    Counts of the newest *length* buckets.

    The ring moves on when a newer bucket is counted; an older one is counted in its own place as long as the ring holds it.
    So the order of arrival never shows in the counts. A count stops at the largest number its type holds
    (``H`` 65,535, ``I`` 4,294,967,295).
    """

    __slots__ = ("counts", "limit", "newest")

    def __init__(self, length: int, typecode: str = "I") -> None:
        self.counts = array(typecode, [0]) * length
        self.limit = _LIMITS[typecode]
        self.newest = -1

    def add(self, bucket: int, count: int = 1) -> bool:
        """Count in *bucket*; False, and nothing counted, when the ring no longer holds it."""
        newest = self.newest
        counts = self.counts
        length = len(counts)
        if bucket > newest:
            self._move_to(bucket)
        elif bucket <= newest - length:
            return False
        index = bucket % length
        counts[index] = min(max(counts[index] + count, 0), self.limit)
        return True

    def at(self, bucket: int) -> int:
        """Count of one bucket; 0 where the ring holds none."""
        return self.counts[bucket % len(self.counts)] if self._holds(bucket) else 0

    def total(self, first: int, last: int) -> int:
        """Sum of the counts from *first* to *last*, both included; buckets outside the ring count as 0."""
        counts = self.counts
        length = len(counts)
        first = max(first, self.newest - length + 1)
        last = min(last, self.newest)
        if first > last:
            return 0
        start, end = first % length, last % length
        if start <= end:
            return sum(counts[start : end + 1])
        return sum(counts[start:]) + sum(counts[: end + 1])

    def filled(self, first: int, last: int) -> list[int]:
        """Buckets from *first* to *last*, both included, that counted something; oldest first."""
        counts = self.counts
        length = len(counts)
        first = max(first, self.newest - length + 1)
        return [bucket for bucket in range(first, min(last, self.newest) + 1) if counts[bucket % length]]

    def _holds(self, bucket: int) -> bool:
        return self.newest - len(self.counts) < bucket <= self.newest

    def _move_to(self, bucket: int) -> None:
        counts = self.counts
        length = len(counts)
        for passed in range(max(self.newest + 1, bucket - length + 1), bucket + 1):
            counts[passed % length] = 0
        self.newest = bucket
