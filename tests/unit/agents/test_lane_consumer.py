"""The lane's consumer: what it delivers between a seek and the resume, at a revoke, and what it commits."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.types import TP

from agents.app import make_app
from agents.lane.fences import Exit
from agents.lane.transport import LaneOptions
from tests.unit.agents.lane_in_memory import Lane, ends_with, offsets

A, B = TP("log", 0), TP("log", 1)

pytestmark = pytest.mark.asyncio


async def test_all_records_of_a_poll_of_a_partition_are_one_event() -> None:
    """One Faust message per partition and poll, whatever the number of records."""
    lane = Lane(A, B)
    lane.thread.append(A, 3)
    lane.thread.append(B, 2)

    events = await lane.poll()

    assert [(event.message.tp, offsets(event)) for event in events] == [(A, [0, 1, 2]), (B, [0, 1])]


async def test_a_poll_under_way_at_a_seek_delivers_nothing() -> None:
    """Records from before a seek are not delivered after it; they come again from the committed offset."""
    lane = Lane(A)
    lane.thread.append(A, 3)
    lane.thread.gate.clear()

    polling = asyncio.create_task(lane.poll())
    await lane.thread.polling.wait()
    seeking = asyncio.create_task(lane.consumer.perform_seek())
    await asyncio.sleep(0)
    assert not seeking.done()  # it waits for the poll, whose records would move the position behind its back
    lane.thread.gate.set()
    await seeking

    assert await polling == []
    lane.consumer.resume_flow()
    assert [offsets(event) for event in await lane.poll()] == [[0, 1, 2]]


async def test_a_poll_that_waits_for_its_turn_does_not_start_in_a_hold() -> None:
    """
    The pause between polls stands before the check of the hold.

        |--- pause ---------------|-- poll?
              |-- seek --| (hold until resume_flow)
    """
    lane = Lane(A, options=LaneOptions(pause_seconds=0.05))
    await lane.poll()
    lane.thread.append(A, 1)

    pausing = asyncio.create_task(lane.poll())
    await asyncio.sleep(0)
    await lane.consumer.perform_seek()

    assert await pausing == []
    assert lane.thread.polls == 1


async def test_partitions_without_a_commit_are_read_again_from_their_beginning_after_a_seek() -> None:
    """Stock aiokafka leaves such a partition behind the records of a poll that was dropped."""
    lane = Lane(A, B)
    lane.thread.append(A, 2)
    lane.thread.append(B, 2)
    lane.thread.committed[B] = 1
    await lane.poll()

    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()

    assert [offsets(event) for event in await lane.poll()] == [[0, 1], [1]]


async def test_the_state_decides_where_its_log_is_read_on() -> None:
    """The hook's offset wins over the group's, and Faust skips nothing that comes from there."""
    lane = Lane(A, B)
    lane.thread.append(A, 5)
    lane.thread.append(B, 5)
    lane.thread.committed.update({A: 1, B: 1})
    asked = []

    async def state_offsets(committed: Mapping[TP, int | None]) -> dict[TP, int]:
        asked.append(dict(committed))
        return {A: 4}

    lane.app.lane.state_offsets = state_offsets
    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()

    assert asked == [{A: 1, B: 1}]
    assert [offsets(event) for event in await lane.poll()] == [[4], [1, 2, 3, 4]]
    assert lane.consumer._read_offset[A] == 4


async def test_what_the_state_is_ahead_of_the_group_is_committed() -> None:
    """After a crash between state and commit nothing new may come for a while, and lag would be shown."""
    lane = Lane(A)
    lane.thread.append(A, 4)
    lane.thread.committed[A] = 1

    async def state_offsets(committed: Mapping[TP, int | None]) -> dict[TP, int]:
        return dict.fromkeys(committed, 4)

    lane.app.lane.state_offsets = state_offsets
    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()
    assert await lane.poll() == []
    await lane.consumer.commit()

    assert lane.thread.committed == {A: 4}


async def test_only_the_acknowledged_head_is_committed() -> None:
    """A batch that is done behind one that is not waits with its commit."""
    lane = Lane(A)
    events = []
    for _ in range(3):
        lane.thread.append(A, 2)
        events += await lane.poll()

    lane.ack(events[1])
    await lane.consumer.commit()
    assert lane.thread.committed == {}

    lane.ack(events[0])
    await lane.consumer.commit()
    assert lane.thread.committed == {A: 4}


async def test_an_acknowledgement_from_before_a_seek_commits_nothing() -> None:
    """After a seek the same offsets are delivered again, and have to be done again."""
    lane = Lane(A)
    lane.thread.append(A, 2)
    [old] = await lane.poll()
    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()
    [new] = await lane.poll()

    lane.ack(old)
    await lane.consumer.commit()
    assert lane.thread.committed == {}

    lane.ack(new)
    await lane.consumer.commit()
    assert lane.thread.committed == {A: 2}


async def test_an_idle_partition_commits_its_position() -> None:
    """Offsets without a record at the end (transaction markers, compacted tails) count as read."""
    lane = Lane(A)
    lane.thread.append(A, 2)
    [event] = await lane.poll()
    lane.ack(event)
    await lane.consumer.commit()
    lane.thread.at[A] = 5  # aiokafka has skipped a marker

    lane.consumer._positions_at = 0
    await lane.poll()
    await lane.consumer.commit()

    assert lane.thread.committed == {A: 5}


async def test_a_partition_with_something_in_flight_does_not_commit_its_position() -> None:
    """The position is behind records nobody has done yet."""
    lane = Lane(A)
    lane.thread.append(A, 2)
    await lane.poll()

    lane.consumer._positions_at = 0
    await lane.poll()
    await lane.consumer.commit()

    assert lane.thread.committed == {}


async def test_a_revoke_waits_for_what_is_in_flight_and_commits_it() -> None:
    """Nothing that was done is delivered again after an orderly rebalance."""
    lane = Lane(A)
    lane.thread.append(A, 3)
    [event] = await lane.poll()

    revoking = asyncio.create_task(lane.consumer.on_partitions_revoked({A}))
    await asyncio.sleep(0.02)
    assert not revoking.done()
    lane.ack(event)
    await revoking

    assert lane.thread.committed == {A: 3}


async def test_nothing_is_delivered_from_a_revoke_to_the_resume() -> None:
    """A poll that comes back meanwhile is dropped, and does not keep the drain waiting."""
    lane = Lane(A)
    lane.thread.append(A, 3)
    lane.thread.gate.clear()

    polling = asyncio.create_task(lane.poll())
    await lane.thread.polling.wait()
    revoking = asyncio.create_task(lane.consumer.on_partitions_revoked({A}))
    await asyncio.sleep(0)
    lane.thread.gate.set()
    await asyncio.wait_for(revoking, 1)

    assert await polling == []
    lane.thread.append(A, 1)
    assert await lane.poll() == []
    assert lane.thread.committed == {}


async def test_the_commit_of_a_drain_covers_what_was_done_while_another_commit_ran(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Faust lets a commit do nothing while another one runs, whatever was acknowledged since that one began.
    """
    lane = Lane(A)
    lane.thread.append(A, 1)
    [first] = await lane.poll()
    lane.thread.append(A, 1)
    [second] = await lane.poll()
    going_on, commit = asyncio.Event(), lane.thread.commit

    async def slow_commit(committed: Mapping[TP, int]) -> bool:
        await going_on.wait()
        return await commit(committed)

    monkeypatch.setattr(lane.thread, "commit", slow_commit)
    lane.ack(first)
    committing = asyncio.create_task(lane.consumer.commit())
    await asyncio.sleep(0.01)
    lane.ack(second)
    draining = asyncio.create_task(lane.consumer.drain())
    await asyncio.sleep(0.01)
    going_on.set()
    await asyncio.gather(committing, draining)

    assert lane.thread.committed == {A: 2}


async def test_a_drain_that_does_not_end_ends_the_process() -> None:
    """Memory would be ahead of the changelog, and the next owner starts from the changelog."""
    lane = Lane(A, options=LaneOptions(pause_seconds=0, drain_seconds=0.05))
    lane.thread.append(A, 1)
    await lane.poll()

    with ends_with(Exit.DRAIN):
        await lane.consumer.on_partitions_revoked({A})


async def test_a_batch_that_was_lost_on_its_way_ends_the_process() -> None:
    """Faust may clear a queue; the batch behind the hole must not be taken for the next one."""
    lane = Lane(A)
    events = []
    for _ in range(3):
        lane.thread.append(A, 2)
        events += await lane.poll()

    assert [r.offset for r in lane.app.accept(events[0])] == [0, 1]
    with ends_with(Exit.GAP):
        lane.app.accept(events[2])


async def test_gaps_inside_the_log_are_no_lost_batches() -> None:
    """Compaction and transactions leave offsets without records; what counts is the batch before."""
    lane = Lane(A)
    lane.thread.append(A, 2)
    [first] = await lane.poll()
    lane.thread.append(A, 1, gap=7)
    [second] = await lane.poll()

    lane.app.accept(first)

    assert [r.offset for r in lane.app.accept(second)] == [9]


async def test_no_poll_starts_above_the_bound_of_records_in_flight() -> None:
    """
    The bound counts records, since a batch may hold one or five thousand; an acknowledgement makes room.
    """
    lane = Lane(A, options=LaneOptions(pause_seconds=0, max_records_in_flight=3))
    lane.thread.append(A, 3)
    [event] = await lane.poll()
    lane.thread.append(A, 1)

    assert await lane.poll() == []
    waiting = asyncio.create_task(lane.poll())
    await asyncio.sleep(0)
    lane.ack(event)
    await waiting

    assert [offsets(e) for e in await lane.poll()] == [[3]]


async def test_a_recovery_that_has_ended_ends_the_process() -> None:
    """Faust takes a request that timed out for a shutdown, and the worker would wait for ever."""
    lane = Lane(A)
    lane.consumer._check_recovery()  # not started yet: all is well
    tables: Any = lane.app.tables  # Faust's interface does not tell of the recovery
    recovering = tables.recovery.add_future(asyncio.sleep(60))
    recovering.set_name("<coroutine object Recovery._restart_recovery at 0x7f0000000000>")
    await asyncio.sleep(0)
    lane.consumer._check_recovery()

    recovering.cancel()
    await asyncio.wait({recovering})
    await asyncio.sleep(0)

    with ends_with(Exit.GROUP):
        lane.consumer._check_recovery()


async def test_a_group_coordination_that_has_ended_ends_the_process() -> None:
    """The worker would keep its partitions in its own eyes, read nothing and commit nothing."""
    thread = make_app("lane", brokers="127.0.0.1:1", partitions=4).lane_consumer._thread
    thread._consumer = kafka = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", group_id="lane")
    kafka._coordinator = coordinator = GroupCoordinator(kafka._client, kafka._subscription, group_id="lane")
    await thread.check_group()

    coordinator._coordination_task.cancel()
    await asyncio.wait({coordinator._coordination_task})

    with ends_with(Exit.GROUP):
        await thread.check_group()
    kafka._closed = True  # neither was started, so neither is stopped
    thread.thread_loop.close()
