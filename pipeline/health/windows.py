"""
Windows of event time: counts per bucket over the newest buckets, and the calendar they are cut from.

A bucket is a UTC day or a week from Monday to Sunday, numbered from 1970. What the counts mean belongs to
those who keep them.
"""

from array import array
from datetime import UTC, datetime, timedelta

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

WEEK_STARTS = 3
"""Day 0 was a Thursday: three days after the Monday its week started on."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BINARY = bytes.maketrans(b"\0\1", b"01")
_LIMITS = {"B": 0xFF, "H": 0xFFFF, "I": 0xFFFF_FFFF}


def day_of(at: int) -> int:
    """UTC day of a time in ms, in days since 1970-01-01."""
    return at // DAY


def week_of(day: int) -> int:
    """Week of a day; weeks start on Monday."""
    return (day + WEEK_STARTS) // 7


def date_text(day: int) -> str:
    """A day as people read it in a sentence: ``2026-11-13``."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


class Ring:
    """
    Counts of the newest *length* buckets.

    The ring moves on when a newer bucket is counted; an older one is counted in its own place as long as the
    ring holds it. So the order of arrival never shows in the counts. A count stops at the largest number its
    type holds (``B`` 255, ``H`` 65,535, ``I`` 4,294,967,295).

    *counts* stand in the order of the buckets, the newest last, so that a window is one slice; they reach
    back to the oldest bucket counted, at most *length* buckets, so that a young account is small. *bits*
    repeats which counted something, the lowest bit for the newest: a pattern is cut out of it, not looked up
    count by count.
    """

    __slots__ = ("bits", "counts", "length", "limit", "newest")

    def __init__(self, length: int, typecode: str = "I") -> None:
        self.counts = array(typecode)
        self.length = length
        self.limit = _LIMITS[typecode]
        self.newest = -1
        self.bits = 0

    def restore(self, newest: int, counts: bytes) -> None:
        """
        Take over *counts*, memory of a ring without the zeros it opens with, the last count that of *newest*.
        """
        known = self.counts
        known.frombytes(counts.rjust(-(-len(counts) // known.itemsize) * known.itemsize, b"\0"))
        self.newest = newest
        self.bits = int(bytes(map(bool, known)).translate(_BINARY) or b"0", 2)

    def add(self, bucket: int, count: int = 1) -> int:
        """
        Count in *bucket*; returns its count before, or -1, and counts nothing, when the ring no longer holds
        it.
        """
        counts = self.counts
        ago = self.newest - bucket
        if ago < 0:
            self._move_to(bucket)
            ago = 0
        elif ago >= len(counts):
            if ago >= self.length:
                return -1
            counts[:0] = _zeros(counts, ago + 1 - len(counts))
        before = counts[-1 - ago]
        after = before + count
        if 0 <= after <= self.limit:
            counts[-1 - ago] = after
            if not before or not after:
                self.bits ^= 1 << ago
        return before

    def total(self, first: int, last: int) -> int:
        """Sum of the counts from *first* to *last*, both included; buckets outside the ring count as 0."""
        newest = self.newest
        if first > newest:
            return 0
        counts = self.counts
        end = len(counts) - newest + last
        if end <= 0:
            return 0
        start = end - 1 - last + first
        return sum(counts[max(0, start) : end])

    def pattern(self, first: int, last: int) -> int:
        """
        Bits of the buckets from *first* to *last*, both included, that counted something; the lowest is the
        last bucket.
        """
        last = min(last, self.newest)
        return (self.bits >> (self.newest - last)) & ((1 << (last - first + 1)) - 1) if first <= last else 0

    def _move_to(self, bucket: int) -> None:
        counts, length = self.counts, self.length
        passed = bucket - self.newest
        if passed < length and counts:
            counts.extend(_zeros(counts, passed))
            del counts[:-length]
            self.bits = (self.bits << passed) & ((1 << length) - 1)
        else:
            counts[:] = _zeros(counts, 1)
            self.bits = 0
        self.newest = bucket


def _zeros(like: "array[int]", number: int) -> "array[int]":
    return array(like.typecode, bytes(number * like.itemsize))


def longest_pause(mask: int) -> int:
    """Longest distance between two set bits that follow each other; 0 with fewer than two."""
    if mask & (mask - 1) == 0:
        return 0
    mask >>= (mask & -mask).bit_length() - 1
    unset = ~mask & ((1 << mask.bit_length()) - 1)
    longest = 1
    while unset:  # a run of n unset bits survives n rounds
        unset &= unset >> 1
        longest += 1
    return longest
