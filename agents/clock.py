"""
The clock: writes ticks, which alone move time in the account log.

A tick T says that everything that was in the inputs at T stands before it. So the clock notes T, then the end
of every input, waits until the intake's group has committed up to there, and only then writes T into every
partition of the log. While the intake is behind, time stands still, and nobody goes dark by mistake. A tick
needs no owner: a T at or below a partition's clock changes nothing there, so two clocks for a moment do no
harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from agents.time_source import TimeSource
from pipeline import metrics

log = structlog.get_logger(__name__)

MAX_SKEW_SECONDS = 5.0
_LOG_APPEND_TIME = 1
_EMBEDDED_APPEND_TIME_MS = 1234
"""What the embedded broker answers to every append: it has no clock to differ from."""
_SET_SECONDS = 1.0
"""Where wall clock and monotonic clock part by more between two ticks, somebody has set the wall clock."""
_COMMIT_POLL_SECONDS = 0.1
_STALL_REPORT_SECONDS = 10.0


class Progress(Protocol):
    """How far the inputs go and how far the intake's group has come, see ``agents.input_progress``."""

    async def ends(self) -> Mapping[TopicPartition, int]:
        """Offset behind the last record of every input partition that has had one."""

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Offsets the group has committed; partitions of which nothing is known may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogClock:
    """
    The clock's ties to the intake.

    *owns* says whether this worker may tick now. *write(at, partitions)* appends a tick of time *at* (ms UTC)
    to these of the log's *partitions* and returns aiokafka's record metadata.
    """

    progress: Progress
    partitions: Sequence[int]
    owns: Callable[[], bool]
    write: Callable[[int, Sequence[int]], Awaitable[Sequence[Any]]]


class Clock:
    """Writes a tick every *tick_seconds* of *time_source* while this worker may, until cancelled."""

    def __init__(self, wiring: LogClock, *, tick_seconds: float, time_source: TimeSource) -> None:
        self._wiring = wiring
        self._time = time_source
        self._tick_seconds = tick_seconds
        self._wall_over_monotonic: float | None = None
        """Wall clock less monotonic clock when the broker last agreed with us, None if it does not."""
        self._ticked_at = 0.0

    async def run(self) -> None:
        """Tick until cancelled. A broker that is away only delays the next tick."""
        self._ticked_at = self._time.wall()
        while True:
            await asyncio.sleep(self._tick_seconds - self._time.wall() % self._tick_seconds)
            if not self._wiring.owns():
                self._wall_over_monotonic = None
                self._ticked_at = self._time.wall()
                metrics.CLOCK_LAG_SECONDS.set(0)  # another worker's business
                continue
            try:
                await self._tick()
            except (KafkaError, OSError) as exc:
                log.warning(
                    "clock.stalled", reason=repr(exc), hint="waits for the broker and goes on by itself"
                )
            metrics.CLOCK_LAG_SECONDS.set(self._time.wall() - self._ticked_at)

    async def _tick(self) -> None:
        if not self._trusted():
            # A tick at 0 changes nothing, but its acknowledgement tells the broker's time before ours is
            # believed.
            await self._write(0, self._wiring.partitions[:1])
        if not self._trusted():
            return
        at = self._time.now()
        goal = await self._wiring.progress.ends()
        if not goal or await self._committed_up_to(goal, since=at):
            await self._write(at, self._wiring.partitions)
            self._ticked_at = at / 1000

    def _trusted(self) -> bool:
        """Whether our clock is the one the broker agreed with: a wrong T in the log cannot be taken back."""
        agreed = self._wall_over_monotonic
        return agreed is not None and abs(self._time.wall() - self._time.monotonic() - agreed) < _SET_SECONDS

    async def _committed_up_to(self, goal: Mapping[TopicPartition, int], *, since: int) -> bool:
        """
        Wait for the group; False when the partition that gives the right to tick has moved to another worker.
        """
        reported = 0.0
        while True:
            committed = await self._wiring.progress.committed(goal)
            left = [tp for tp, end in goal.items() if committed.get(tp, -1) < end]
            if not left:
                return True
            if not self._wiring.owns():
                return False
            behind = self._time.wall() - since / 1000
            metrics.CLOCK_LAG_SECONDS.set(behind)
            if behind > reported + _STALL_REPORT_SECONDS:
                reported = behind
                log.warning(
                    "clock.waiting", seconds=round(behind), partitions_behind=len(left), first=str(left[0])
                )
            await asyncio.sleep(_COMMIT_POLL_SECONDS)

    async def _write(self, at: int, partitions: Sequence[int]) -> None:
        sent = self._time.wall()
        written = await self._wiring.write(at, partitions)
        answered = self._time.wall()
        stamped = [
            m.timestamp / 1000
            for m in written
            if m.timestamp_type == _LOG_APPEND_TIME and m.timestamp != _EMBEDDED_APPEND_TIME_MS
        ]
        skew = max((max(sent - t, t - answered, 0.0) for t in stamped), default=0.0)
        metrics.CLOCK_SKEW_SECONDS.set(skew)
        self._wall_over_monotonic = answered - self._time.monotonic() if skew <= MAX_SKEW_SECONDS else None
        if skew > MAX_SKEW_SECONDS:
            log.error(
                "clock.refused",
                skew_seconds=round(skew, 1),
                limit_seconds=MAX_SKEW_SECONDS,
                hint="set this machine's clock (NTP); until then no time passes in the log",
            )
