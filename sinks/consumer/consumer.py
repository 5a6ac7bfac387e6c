"""
Hands a target what has arrived in the topics, and decides what to do when it cannot be handed over.

The group only says who reads which partition. Where to read on says the target: after each assignment it is
asked to claim the partitions, and reading begins at the positions it gives. Whatever goes wrong between two
batches, the way back is that same one, so there is no second kind of start to get wrong. While the target is
away nothing is fetched, but the group is kept.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from sinks.consumer.readiness import Readiness
from sinks.consumer.topic_reader import StartUnknown, TopicReader
from sinks.target import Partition, Record, Target, TargetAway, TargetRestored

CHECK_SECONDS: Final = 5.0
"""
How often a sink sees whether all partitions, also those without new records, still stand where it left them.
"""

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LAG_EVERY_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class SinkConsumer:
    """
    One member of *group* that reads *topics* and writes to *target*; constructing connects to nothing.

    *security* are librdkafka's own settings of that kind. A member that is silent for *session_seconds*
    counts as dead and its partitions go to others.
    """

    def __init__(
        self,
        target: Target,
        *,
        brokers: str,
        group: str,
        topics: Sequence[str],
        security: Mapping[str, str],
        session_seconds: float,
        readiness: Readiness,
    ) -> None:
        self._target = target
        self._group = group
        self._readiness = readiness
        self._reader = TopicReader(
            brokers=brokers,
            group=group,
            topics=topics,
            security=security,
            session_seconds=session_seconds,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
            way_back=target.way_back,
        )
        self._assigned: list[Partition] = []
        self._claimed = False
        self._reading = False
        self._away = ""
        self._pause = 0.0
        self._retry_at = 0.0
        self._check_due = 0.0
        self._lag_due = 0.0

    def run(self, stop: threading.Event) -> None:
        """
        Read and write until *stop* is set; raises ``SinkStopped`` or ``KafkaFailed`` for what it cannot mend.
        """
        self._reader.open()
        _log.info("sink.started", group=self._group)
        try:
            while not stop.is_set():
                self._act()
                self._tell_state()
        finally:
            self._reader.close()
            self._readiness.tell(False, "stopped")
            _log.info("sink.stopped", group=self._group)

    def _on_assigned(self, partitions: list[Partition]) -> None:
        self._assigned = partitions
        self._claimed = self._reading = False
        self._retry_at = 0.0
        _log.info("sink.assigned", group=self._group, partitions=len(partitions))

    def _on_revoked(self) -> None:
        self._assigned = []
        self._reading = False

    def _act(self) -> None:
        try:
            batch = self._reader.batch()
            if batch:
                self._write(batch)
            if self._reading:
                self._check()
            elif self._assigned and time.monotonic() >= self._retry_at:
                self._begin_reading()
        except TargetRestored as restored:
            _log.warning("sink.target_restored", reason=str(restored))
            self._let_go(str(restored))
            self._claimed = False
        except TargetAway as away:
            self._let_go(str(away))
            seconds = self._put_off_retry()
            _log.warning("sink.target_away", reason=str(away), retry_seconds=round(seconds, 1))
        except StartUnknown as unknown:
            self._let_go(str(unknown))
            seconds = self._put_off_retry()
            _log.warning("sink.read_failed", reason=str(unknown), retry_seconds=round(seconds, 1))
        if self._reading and time.monotonic() >= self._lag_due:
            self._lag_due = time.monotonic() + _LAG_EVERY_SECONDS
            self._reader.observe_lag()

    def _begin_reading(self) -> None:
        if self._claimed:
            positions = self._target.positions()
        else:
            positions = self._target.claim(self._assigned, self._reader.topic_ids())
            self._claimed = True
        self._reader.read_from(positions)
        self._reading = True
        self._away = ""
        self._check_due = time.monotonic() + CHECK_SECONDS
        _log.info("sink.reading", group=self._group, partitions=len(self._assigned))

    def _write(self, batch: Sequence[Record]) -> None:
        self._target.write(batch)
        self._pause = 0.0  # Not at the first answer: a target may answer and still refuse every write.
        self._reader.note_stored(batch)

    def _check(self) -> None:
        if time.monotonic() >= self._check_due:
            self._check_due = time.monotonic() + CHECK_SECONDS
            self._target.check()
            self._pause = 0.0

    def _let_go(self, why: str) -> None:
        """Stop fetching, and stay in the group."""
        self._reader.pause()
        self._reading = False
        self._away = why

    def _put_off_retry(self) -> float:
        """Let a little more time pass than last time before the target is asked again: so many seconds."""
        self._pause = min(_LONGEST_PAUSE_SECONDS, self._pause * 2 or _FIRST_PAUSE_SECONDS)
        seconds = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that sinks do not come back all at once
        self._retry_at = time.monotonic() + seconds
        return seconds

    def _tell_state(self) -> None:
        trouble = self._reader.trouble() or self._away
        if trouble:
            self._readiness.tell(False, trouble)
        elif self._reading:
            self._readiness.tell(True, f"reading {len(self._assigned)} partitions")
        else:
            self._readiness.tell(False, "claiming partitions" if self._assigned else "joining the group")
