"""
Keeps partitions aligned in time: no record goes on while another partition has unread ones that are much
older.

Kafka hands out partitions as fast as each is fetched. Read from a week back, a topic with ten records a day
is through in one poll and a busy one in an hour, and a log made of both would jump by days. Here a poll is
cut by the timestamps of its records; what is ahead waits in memory, and its partition is not polled
meanwhile.

Bookkeeping only, without Kafka, clock or event loop: ``consumer`` drives it once a poll.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from faust.types import TP

_RECHECK_SECONDS: Final = 0.1
"""
Longest poll while something waits: that a partition has come to its end is told by a fetch that brings
nothing.
"""

_ENOUGH_RECORDS: Final = 5_000
_ENOUGH_BATCHES: Final = 100
"""Nothing more is handed over at a time above these; Faust takes 0.1 to 0.3 ms for each batch."""

_NOT_REACHED: Final = -(1 << 62)
"""Before any timestamp there is."""

_timestamp = attrgetter("timestamp")


@dataclass(slots=True)
class _Waiting:
    """
    Records of one partition in offset order; those before *start* have gone on. There is at least one left.
    """

    records: Sequence[Any]
    start: int = 0


class TimeAlignment:
    """
    Lets a record go on when it is at most *max_drift_seconds* ahead of the oldest unread record of the other
    partitions.

    What counts is the record's Kafka timestamp, a future one as the present. A partition whose next record is
    not here yet counts as far as it went on, and nothing overtakes one of which nothing is known. A partition
    without unread records holds nobody back; nor does one that was polled for *patience_seconds* in vain, say
    because its leader is away, until it brings records again.

    Only the partitions of this worker are compared. Workers of one group own equal partition numbers of all
    inputs with equal counts, so an account whose events have its id for a key is read in order all the same.

    At most one poll of each partition waits here, and one fetch of it in aiokafka.
    """

    def __init__(self, *, max_drift_seconds: float, patience_seconds: float = 60.0) -> None:
        self._lead = round(max_drift_seconds * 1000)
        self._patience = patience_seconds
        self._waiting: dict[TP, _Waiting] = {}
        self._unread: dict[TP, float] = {}
        """
        Partitions with more behind what was polled, and for how many seconds they were polled in vain since.
        """
        self._reached: dict[TP, int] = {}
        """Timestamp of the last record that went on, ms UTC."""
        self._has_moved = False

    def to_poll(self, active: set[TP]) -> set[TP]:
        """Those of *active* of which nothing waits."""
        return active - self._waiting.keys()

    def poll_seconds(self, timeout: float) -> float:
        """How long the next poll may last, at most *timeout*."""
        if not self._waiting:
            return timeout
        return 0.0 if self._has_moved else min(timeout, _RECHECK_SECONDS)

    def is_waiting(self, tp: TP) -> bool:
        """Whether records of *tp* were polled and have not gone on."""
        return tp in self._waiting

    def polled(
        self,
        records: Mapping[TP, Sequence[Any]],
        *,
        asked: Iterable[TP],
        unread: Collection[TP],
        seconds: float,
    ) -> None:
        """
        Take the *records* that a poll of *asked* (from ``to_poll``) has brought in *seconds*.

        *unread* are those of *asked* that have more records, or of which that is not known.
        """
        for tp in asked:
            if tp in unread:
                self._unread[tp] = 0.0 if tp in records else self._unread.get(tp, 0.0) + seconds
            else:
                self._unread.pop(tp, None)
        for tp, polled in records.items():
            self._waiting[tp] = _Waiting(polled)

    def go_on(self, now: int) -> list[tuple[TP, Sequence[Any]]]:
        """
        Hand over, in this order, what may go on at *now* (ms UTC): the records of a partition, maybe in
        pieces.
        """
        handed: list[tuple[TP, Sequence[Any]]] = []
        count = 0
        moved = True
        while moved and count < _ENOUGH_RECORDS and len(handed) < _ENOUGH_BATCHES:
            moved = False
            until = self._oldest_unread(now) + self._lead
            for tp in list(self._waiting):
                records = self._take(tp, until, now)
                if records:
                    handed.append((tp, records))
                    count += len(records)
                    moved = True
                if count >= _ENOUGH_RECORDS:
                    break
        self._has_moved = bool(handed)
        return handed

    def forget(self, tps: Iterable[TP]) -> None:
        """Drop all that is known of *tps*: they were revoked."""
        for tp in tps:
            for known in (self._waiting, self._unread, self._reached):
                known.pop(tp, None)

    def forget_all(self) -> None:
        """Drop everything: all partitions are about to be read from another offset."""
        self.forget({*self._waiting, *self._unread, *self._reached})

    def _oldest_unread(self, now: int) -> int:
        oldest = now
        for waiting in self._waiting.values():
            oldest = min(oldest, waiting.records[waiting.start].timestamp)
        for tp, seconds in self._unread.items():
            if tp not in self._waiting and seconds < self._patience:
                oldest = min(oldest, self._reached.get(tp, _NOT_REACHED))
        return oldest

    def _take(self, tp: TP, until: int, now: int) -> Sequence[Any]:
        """The records of *tp* that wait, up to the time *until*."""
        records, start = self._waiting[tp].records, self._waiting[tp].start
        end = len(records)
        if until < now:
            # Timestamps of several producers may be out of order by a little; the cut is as good as they are.
            end = bisect_right(records, until, lo=start, key=_timestamp)
        if end == start:
            return ()
        self._reached[tp] = records[end - 1].timestamp
        if end == len(records):
            del self._waiting[tp]
        else:
            self._waiting[tp].start = end
        return records[start:end]
