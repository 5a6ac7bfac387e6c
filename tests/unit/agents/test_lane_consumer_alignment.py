"""
The lane's consumer when it keeps partitions aligned in time: what waits is not lost, not committed, not
delivered twice.
"""

import pytest
from faust.types import TP

from agents.lane.alignment import TimeAlignment
from tests.unit.agents.lane_in_memory import Lane, offsets, record

A, B = TP("invoices", 0), TP("logins", 0)
DAY = 86_400_000

pytestmark = pytest.mark.asyncio


def far_apart() -> Lane:
    """
    Four invoices of the first day; two logins, of the first day and of the fifth. A poll brings two of each.
    """
    lane = Lane(A, B)
    lane.app.lane.alignment = TimeAlignment(max_drift_seconds=120)
    lane.thread.poll_records = 2
    lane.thread.records[A] = [record(A, offset, timestamp=DAY + offset) for offset in range(4)]
    lane.thread.records[B] = [record(B, 0, timestamp=DAY), record(B, 1, timestamp=5 * DAY)]
    return lane


async def test_a_poll_delivers_what_is_aligned_in_time_and_keeps_the_rest() -> None:
    """The second login comes when all invoices have, though it was polled with the first."""
    lane = far_apart()

    first, second = await lane.poll(), await lane.poll()

    assert [(e.message.tp, offsets(e)) for e in first] == [(A, [0, 1]), (B, [0])]
    assert [(e.message.tp, offsets(e)) for e in second] == [(A, [2, 3]), (B, [1])]
    assert [r.offset for event in (*first, *second) for r in lane.app.accept(event)] == [0, 1, 0, 2, 3, 1]


async def test_without_it_a_poll_delivers_all_it_brought() -> None:
    """The log would jump by days: this is what the guard is for."""
    lane = far_apart()
    lane.app.lane.alignment = None

    assert [(e.message.tp, offsets(e)) for e in await lane.poll()] == [(A, [0, 1]), (B, [0, 1])]


async def test_the_position_of_a_partition_of_which_something_waits_is_not_committed() -> None:
    """The consumer stands behind records that nobody has seen; a crash would lose them."""
    lane = far_apart()
    for event in await lane.poll():
        lane.ack(event)
    await lane.consumer.commit()

    lane.consumer._positions_at = 0
    await lane.consumer._note_positions()
    await lane.consumer.commit()

    assert lane.thread.committed == {A: 2, B: 1}


async def test_what_waits_at_a_seek_is_read_again_and_delivered_once() -> None:
    """After a rebalance all partitions are sought, and what was in memory from before it would come twice."""
    lane = far_apart()
    for event in await lane.poll():
        lane.ack(event)
    await lane.consumer.commit()

    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()

    again = [*await lane.poll(), *await lane.poll()]
    assert [(e.message.tp, offsets(e)) for e in again] == [(A, [2, 3]), (B, [1])]


async def test_a_revoke_does_not_wait_for_what_waits() -> None:
    """It was never delivered; the next owner reads it."""
    lane = far_apart()
    for event in await lane.poll():
        lane.ack(event)

    await lane.consumer.on_partitions_revoked({A, B})

    assert lane.thread.committed == {A: 2, B: 1}
