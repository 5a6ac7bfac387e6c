"""The clock of the account log: what a tick waits for, and when none is written."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import RecordMetadata

from agents.clock import Clock, LogClock
from agents.time_source import SYSTEM_TIME, TimeSource
from pipeline import metrics
from tests.unit.agents.workers_in_memory import until

A, B = TopicPartition("customer.login.v1", 0), TopicPartition("customer.survey.v1", 2)
PARTITIONS = range(3)
TICK_SECONDS = 0.01

pytestmark = pytest.mark.asyncio


class Kafka:
    """
    Inputs, the group's commits and the log.

    *broker_ahead* is by how many seconds the broker's clock is ahead of ours, None for the embedded one,
    which has none.
    """

    def __init__(self) -> None:
        self.end = {A: 5, B: 7}
        self.at = dict(self.end)
        self.owned = True
        self.away = False
        self.broker_ahead: float | None = 0.0
        self.asked_at: list[float] = []
        self.written: list[tuple[int, tuple[int, ...]]] = []

    async def ends(self) -> Mapping[TopicPartition, int]:
        self.asked_at.append(time.time())
        if self.away:
            raise KafkaConnectionError("no broker")
        return dict(self.end)

    async def committed(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {tp: self.at[tp] for tp in partitions if tp in self.at}

    async def write(self, at: int, partitions: Sequence[int]) -> list[Any]:
        self.written.append((at, tuple(partitions)))
        ahead = self.broker_ahead
        stamp = 1234 if ahead is None else round((time.time() + ahead) * 1000)
        log = TopicPartition("log", 0)
        return [RecordMetadata("log", p, log, 0, stamp, 1, 0) for p in partitions]

    @property
    def ticks(self) -> list[int]:
        """Times of the ticks; a question for the broker's time is none."""
        return [at for at, partitions in self.written if at]


@asynccontextmanager
async def ticking(kafka: Kafka, time_source: TimeSource = SYSTEM_TIME) -> AsyncIterator[None]:
    """A clock that runs for the length of the block."""
    wiring = LogClock(progress=kafka, partitions=PARTITIONS, owns=lambda: kafka.owned, write=kafka.write)
    running = asyncio.create_task(Clock(wiring, tick_seconds=TICK_SECONDS, time_source=time_source).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
    assert running.cancelled()


async def some_ticks_later(kafka: Kafka, asked: Callable[[], Sequence[Any]]) -> None:
    """Wait until the clock has come by three times more."""
    seen = len(asked())
    await until(lambda: len(asked()) >= seen + 3)


async def test_a_tick_goes_to_every_partition_with_the_time_before_the_ends_were_asked() -> None:
    """
    What comes in between stands behind the tick, and the tick does not speak of it.

        |-- T --|-- ends of the inputs --|-- committed up to them --|-- tick T
    """
    kafka = Kafka()
    async with ticking(kafka):
        await until(lambda: len(kafka.ticks) >= 3)

    assert {partitions for at, partitions in kafka.written if at} == {(0, 1, 2)}
    assert kafka.ticks == sorted(set(kafka.ticks))
    for at, asked_at in zip(kafka.ticks, kafka.asked_at, strict=False):
        assert at <= asked_at * 1000 < at + 1000


@pytest.mark.parametrize("behind", [{A: 4, B: 7}, {A: 5, B: -1}, {A: 5}], ids=["one", "never", "not told"])
async def test_while_the_group_is_behind_time_stands_still(behind: dict[TopicPartition, int]) -> None:
    """Nobody goes dark while their logins wait in a queue; the lag is told meanwhile."""
    kafka = Kafka()
    kafka.at = behind
    async with ticking(kafka):
        await until(lambda: kafka.asked_at)
        await asyncio.sleep(0.2)
        assert kafka.ticks == []
        assert told(metrics.CLOCK_LAG_SECONDS) > 0.05
        began = time.time()

        kafka.at = dict(kafka.end)
        await until(lambda: kafka.ticks)

    assert kafka.ticks[0] < began * 1000  # the time it was, not the time it could be written


async def test_records_that_come_while_it_waits_do_not_hold_a_tick() -> None:
    """Under steady load the group never stands at the end."""
    kafka = Kafka()
    kafka.at[A] = 3
    async with ticking(kafka):
        await until(lambda: kafka.asked_at)
        kafka.end[A] = 50
        kafka.at[A] = 5
        await until(lambda: kafka.ticks)


async def test_without_anything_in_the_inputs_time_passes() -> None:
    """A new pipeline has alerts of its history to fire."""
    kafka = Kafka()
    kafka.end = {}
    async with ticking(kafka):
        await until(lambda: kafka.ticks)


async def test_only_the_owner_ticks_and_asks_the_broker_s_time_when_it_becomes_the_owner() -> None:
    """The clock that was right is another machine's."""
    kafka = Kafka()
    kafka.owned = False
    async with ticking(kafka):
        await asyncio.sleep(5 * TICK_SECONDS)
        assert kafka.written == []
        assert told(metrics.CLOCK_LAG_SECONDS) == 0

        kafka.owned = True
        await until(lambda: kafka.ticks)
        assert kafka.written[0] == (0, (0,))

        kafka.owned = False
        await asyncio.sleep(5 * TICK_SECONDS)
        written = len(kafka.written)
        kafka.owned = True
        await until(lambda: len(kafka.written) > written)
        assert kafka.written[written] == (0, (0,))


async def test_an_owner_that_loses_the_right_while_it_waits_does_not_tick() -> None:
    """The next owner does."""
    kafka = Kafka()
    kafka.at[A] = 4
    async with ticking(kafka):
        await until(lambda: kafka.asked_at)
        kafka.owned = False
        await asyncio.sleep(0.15)  # longer than the wait between two questions for the commits
        kafka.at[A] = 5
        await asyncio.sleep(0.15)

    assert kafka.ticks == []


@pytest.mark.parametrize("ahead", [6.0, -6.0], ids=["ours is late", "ours is early"])
async def test_a_clock_six_seconds_off_writes_no_tick_until_it_is_right(ahead: float) -> None:
    """The broker's append time is what all go by; a tick from the future could not be taken back."""
    kafka = Kafka()
    kafka.broker_ahead = ahead
    async with ticking(kafka):
        await some_ticks_later(kafka, lambda: kafka.written)
        assert kafka.ticks == []
        assert told(metrics.CLOCK_SKEW_SECONDS) == pytest.approx(6, abs=0.2)

        kafka.broker_ahead = ahead * 4 / 6
        await until(lambda: kafka.ticks)

    assert told(metrics.CLOCK_SKEW_SECONDS) == pytest.approx(4, abs=0.2)


async def test_a_clock_that_is_set_while_it_ticks_asks_before_the_next_tick() -> None:
    """The wrong time would be in the log before the acknowledgement says that it is wrong."""
    kafka, set_ahead = Kafka(), 0.0
    async with ticking(kafka, TimeSource(wall=lambda: time.time() + set_ahead)):
        await until(lambda: kafka.ticks)
        set_ahead = 3600.0
        await some_ticks_later(kafka, lambda: kafka.written)

    assert max(kafka.ticks) < (time.time() + 60) * 1000


async def test_the_embedded_broker_has_no_clock_to_differ_from() -> None:
    """It answers 1234 to every append."""
    kafka = Kafka()
    kafka.broker_ahead = None
    async with ticking(kafka):
        await until(lambda: len(kafka.ticks) >= 2)

    assert told(metrics.CLOCK_SKEW_SECONDS) == 0


async def test_a_broker_that_is_away_only_delays_the_next_tick() -> None:
    """Time stands still, the process does not stop for it, and the lag grows."""
    kafka = Kafka()
    kafka.away = True
    async with ticking(kafka):
        await some_ticks_later(kafka, lambda: kafka.asked_at)
        assert kafka.ticks == []
        assert told(metrics.CLOCK_LAG_SECONDS) > 0.01

        kafka.away = False
        await until(lambda: kafka.ticks)


def told(gauge: Any) -> float:
    """What the gauge says."""
    return float(next(sample.value for family in gauge.collect() for sample in family.samples))
