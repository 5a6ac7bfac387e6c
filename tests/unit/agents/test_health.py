"""The health worker: the order of its writes, and the steps into which it cuts what is due."""

import asyncio
from collections.abc import Iterable

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from agents.app import STUCK_SECONDS
from agents.time_source import TimeSource
from pipeline.health.fold import PartitionFold
from pipeline.scorecards import read_documents
from pipeline.wire.position import (
    PARTITION_RECORD,
    POSITION_SIZE,
    SCORECARDS_RECORD,
    Position,
    unpack_position,
)
from pipeline.wire.state import decode_record
from tests.unit.agents.health_in_memory import (
    CHANGELOG,
    CURRENT,
    LOG,
    START,
    Health,
    folded,
    login,
    ticket,
    with_everything_due,
)
from tests.unit.agents.lane_in_memory import batch_of
from tests.unit.agents.workers_in_memory import until

pytestmark = pytest.mark.asyncio


async def test_outputs_are_acknowledged_before_states_and_states_before_the_poll_is_done() -> None:
    """A crash between any two repeats identical outputs; any other order would lose something."""
    health = Health()
    health.log(START, login(), "acc-1")
    await health.recover()
    for topic in (CURRENT, CHANGELOG.topic):
        health.producer.held[topic] = asyncio.Event()

    [event] = await health.process(health.worker)
    await until(lambda: health.producer.read(CURRENT))
    await asyncio.sleep(0.02)
    assert health.changelog() == []

    health.producer.held[CURRENT].set()
    await until(health.changelog)
    await asyncio.sleep(0.02)
    assert not batch_of(event).acked

    health.producer.held[CHANGELOG.topic].set()
    await until(lambda: batch_of(event).acked)


async def test_a_step_is_one_batch_with_the_partition_s_record_last() -> None:
    """Kafka takes it whole or not at all; the record says what belongs to it."""
    health = await folded()

    [batch] = [records for tp, records in health.producer.batches if tp == CHANGELOG]
    record = decode_record(batch[-1].value)
    assert [r.key for r in batch] == [b"acc-0", b"acc-1", b"acc-2", SCORECARDS_RECORD, PARTITION_RECORD]
    assert (record.next_offset, record.accounts) == (4, 3)
    assert {unpack_position(r.value) for r in batch} == {Position(1, 4, 0)}


async def test_outputs_go_into_the_partition_of_the_log_with_the_time_of_scoring_in_a_header() -> None:
    """Values hold log time only, so that a repeat is the same bytes."""
    health = await folded(1)

    snapshot = health.producer.read(CURRENT, 0)[-1]
    assert snapshot.key == b"acc-0"
    [(name, value)] = snapshot.headers
    assert (name, value.isdigit()) == ("telltale-scored-at", True)


async def test_a_tick_in_which_much_is_due_is_cut_into_steps() -> None:
    """Each step is a batch below the limit, and says how many timers of the tick have fired."""
    health = await with_everything_due(10, step_bytes=2_000)
    before = len(health.producer.batches)
    await health.fold()

    steps = [records for tp, records in health.producer.batches[before:] if tp == CHANGELOG]
    positions = [unpack_position(step[-1].value) for step in steps]
    assert len(steps) > 5
    assert max(sum(len(r.value) for r in step) for step in steps) < 2_500
    assert positions == sorted(set(positions))
    assert [position.next_offset for position in positions[:-1]] == [111] * (len(positions) - 1)
    assert positions[-1] == Position(1, 112, 0)


@pytest.mark.parametrize("steps", [1, 20, 40])
async def test_recovery_goes_on_inside_a_tick(steps: int) -> None:
    """After any step of it, the rest is the same bytes as without the crash, and the states are too."""
    whole = await with_everything_due(10, step_bytes=2_000)
    already = len(whole.outputs())
    before = len(whole.producer.batches)
    await whole.fold()
    ends = [
        number
        for number, (tp, _) in enumerate(whole.producer.batches)
        if tp == CHANGELOG and number >= before
    ]
    done = whole.producer.batches[: ends[steps - 1] + 1]

    health = Health(step_bytes=100_000)
    health.lane.thread.records[LOG] = whole.lane.thread.records[LOG]
    await health.recover([r for tp, records in done for r in records if tp == CHANGELOG], committed=111)
    assert health.store.folds[0].timers_fired > 0
    await health.fold()

    assert per_topic(health.outputs()) == per_topic(whole.outputs()[already:], skip=done[before:])
    assert health.outputs()
    recovered = {r.key: r.value for tp, records in done for r in records if tp == CHANGELOG} | health.newest()
    assert contents(recovered) == contents(whole.newest())


def per_topic(
    outputs: list[tuple[str, bytes, bytes]], skip: Iterable[tuple[TP, list[ConsumerRecord]]] = ()
) -> dict[str, list[tuple[bytes, bytes]]]:
    """Outputs by topic, without as many of each topic as *skip* has of it."""
    topics: dict[str, list[tuple[bytes, bytes]]] = {}
    for topic, key, value in outputs:
        topics.setdefault(topic, []).append((key, value))
    for tp, records in skip:
        if tp != CHANGELOG:
            del topics[tp.topic][: len(records)]
    return topics


def contents(states: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """States without the positions at which they were written."""
    return {key: value[POSITION_SIZE:] for key, value in states.items()}


async def test_a_poll_that_makes_a_small_state_large_is_cut_before_it_fills_a_batch() -> None:
    """The fold takes a state for as large as it was when it was written last."""
    health = Health(step_bytes=100_000)
    for number in range(2_000):
        health.log(START, ticket(number), f"acc-{number % 7}")
    await health.recover()
    await health.fold()

    sizes = [sum(len(r.value) for r in records) for tp, records in health.producer.batches if tp == CHANGELOG]
    assert sum(len(value) for value in health.newest().values()) > 300_000
    assert max(sizes) < 100_000 + 60_000  # the step's limit, and the state that crossed it


async def test_the_steps_of_a_long_tick_wait_for_the_changelog() -> None:
    """A tick in which a million accounts are due must not stand in memory as a whole."""
    health = await with_everything_due(10, step_bytes=1_000)
    health.producer.held[CHANGELOG.topic] = asyncio.Event()

    folding = asyncio.create_task(health.fold())
    await asyncio.sleep(0.1)
    assert not folding.done()
    assert (health.store.folds[0].next_offset, health.store.folds[0].timers_fired > 0) == (111, True)

    health.producer.held[CHANGELOG.topic].set()
    await folding
    assert health.store.folds[0].next_offset == 112


async def test_within_a_long_poll_others_get_their_turn() -> None:
    """
    Heartbeats and the writer do not wait for 5,000 entries: every thousand of them somebody else may go on.
    """
    short, long = [await turns_while_folding(entries) for entries in (500, 4_500)]

    assert long - short == 4


async def turns_while_folding(entries: int) -> int:
    """How often another task of the worker runs while a poll of so many *entries* is folded into one step."""
    health = Health(step_bytes=1_000_000)
    for number in range(entries):
        health.log(START, login(number), "acc-1")
    await health.recover()
    transitions = 0

    async def count() -> None:
        nonlocal transitions
        while True:
            transitions += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count())
    await health.process(health.worker)
    other.cancel()
    return transitions


async def test_a_worker_that_restores_many_partitions_is_not_taken_for_stuck() -> None:
    """No partition takes longer than the loop may stand still, all of them together do."""
    now, told = 0.0, []
    health = Health(time_source=TimeSource(monotonic=lambda: now))

    def build(partition: int) -> PartitionFold:
        nonlocal now
        now += 0.9 * STUCK_SECONDS
        told.append(health.lane.app.liveness())
        return PartitionFold(partition, read_documents)

    health.worker._build = build  # type: ignore[method-assign]  # what is slow is the decoding of many states
    health.store.recovered = {0, 1, 2}

    await health.worker._state_offsets(dict.fromkeys(TP(LOG.topic, number) for number in range(3)))

    assert told == [(True, "the event loop turns")] * 3
