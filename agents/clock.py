"""
The clock: writes ticks, which alone move time in the account log.

A tick T says that everything that was in the inputs at T stands before it. So the clock notes T, then the end of
every input, waits until the intake's group has committed up to there, and only then writes T into every partition of
the log. While the intake is behind, time stands still, and nobody goes dark by mistake. A tick needs no owner: a T at
or below a partition's clock changes nothing there, so two clocks for a moment do no harm.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.metrics import CLOCK_LAG_SECONDS, CLOCK_SKEW_SECONDS

log = structlog.get_logger(__name__)

MAX_SKEW_SECONDS = 5.0
_LOG_APPEND_TIME = 1
_EMBEDDED_APPEND_TIME_MS = 1234
"""What the embedded broker answers to every append: it has no clock to differ from."""
_COMMIT_POLL_SECONDS = 0.1
_STALL_REPORT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogClock:
    """
    The clock's ties to the intake.

    *inputs* are the topics a tick speaks of, *group* the consumer group that must have committed them, *owns* says
    whether this worker may tick now. *write(at, partitions)* appends a tick of time *at* (ms UTC) to these partitions
    of the log and returns aiokafka's record metadata.
    """

    inputs: Sequence[str]
    group: str
    partitions: Sequence[int]
    owns: Callable[[], bool]
    write: Callable[[int, Sequence[int]], Awaitable[Sequence[Any]]]


class Clock:
    """
    Writes a tick every *tick_seconds* while this worker may, until cancelled.

    *connection* are aiokafka's connection arguments.
    """

    def __init__(self, wiring: LogClock, *, tick_seconds: float, connection: dict[str, Any]) -> None:
        self._wiring = wiring
        self._tick_seconds = tick_seconds
        self._consumer = AIOKafkaConsumer(enable_auto_commit=False, **connection)
        self._admin = AIOKafkaAdminClient(**connection)
        self._trusted = False

    async def run(self) -> None:
        """Tick until cancelled. A broker that is away only delays the next tick."""
        await self._consumer.start()
        await self._admin.start()
        try:
            while True:
                await asyncio.sleep(self._tick_seconds - time.time() % self._tick_seconds)
                if not self._wiring.owns():
                    self._trusted = False
                    continue
                try:
                    await self._tick()
                except (KafkaError, OSError) as exc:
                    log.warning(
                        "clock.stalled",
                        reason=repr(exc),
                        way_out="waits for the broker and goes on by itself",
                    )
        finally:
            await self._consumer.stop()
            await self._admin.close()

    async def _tick(self) -> None:
        if not self._trusted:
            # A tick at 0 changes nothing, but its acknowledgement tells the broker's time before ours is believed.
            await self._write(0, self._wiring.partitions[:1])
            if not self._trusted:
                return
        at = int(time.time() * 1000)
        ends = await self._consumer.end_offsets(await self._input_partitions())
        reached = {tp: end for tp, end in ends.items() if end}
        if not reached or await self._committed_up_to(reached, since=at):
            await self._write(at, self._wiring.partitions)
            CLOCK_LAG_SECONDS.set(time.time() - at / 1000)

    async def _input_partitions(self) -> list[TopicPartition]:
        described = await self._admin.describe_topics(list(self._wiring.inputs))
        return [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]

    async def _committed_up_to(self, goal: dict[TopicPartition, int], *, since: int) -> bool:
        """Wait for the group; False when the partition that gives the right to tick has moved to another worker."""
        reported = 0.0
        while True:
            # By name: asked for all partitions, the embedded broker answers with none at all.
            committed = await self._admin.list_consumer_group_offsets(
                self._wiring.group, partitions=list(goal)
            )
            left = [tp for tp, end in goal.items() if committed[tp].offset < end]
            if not left:
                return True
            if not self._wiring.owns():
                return False
            behind = time.time() - since / 1000
            CLOCK_LAG_SECONDS.set(behind)
            if behind > reported + _STALL_REPORT_SECONDS:
                reported = behind
                log.warning(
                    "clock.waiting", seconds=round(behind), partitions_behind=len(left), first=str(left[0])
                )
            await asyncio.sleep(_COMMIT_POLL_SECONDS)

    async def _write(self, at: int, partitions: Sequence[int]) -> None:
        sent = time.time()
        written = await self._wiring.write(at, partitions)
        answered = time.time()
        stamped = [
            m.timestamp / 1000
            for m in written
            if m.timestamp_type == _LOG_APPEND_TIME and m.timestamp != _EMBEDDED_APPEND_TIME_MS
        ]
        skew = max((max(sent - t, t - answered, 0.0) for t in stamped), default=0.0)
        CLOCK_SKEW_SECONDS.set(skew)
        self._trusted = skew <= MAX_SKEW_SECONDS
        if not self._trusted:
            log.error(
                "clock.refused",
                skew_seconds=round(skew, 1),
                limit_seconds=MAX_SKEW_SECONDS,
                way_out="set this machine's clock (NTP); until then no time passes in the log",
            )
