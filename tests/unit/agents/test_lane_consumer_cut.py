"""The lane's consumer where a topic is shorter than it was: recreated under its name, or cut."""

from collections.abc import Mapping

import pytest
from faust.types import TP

from agents.lane.fences import Exit
from tests.unit.agents.lane_in_memory import Lane, ends_with, offsets

A = TP("log", 0)

pytestmark = pytest.mark.asyncio


async def test_a_partition_that_goes_back_while_it_is_read_ends_the_process() -> None:
    """
    Where its position is gone aiokafka begins again; Faust would drop what comes, and never acknowledge it.

        old |-- 0 1 2 --|    new |-- 0 1 ...
    """
    lane = Lane(A)
    lane.thread.append(A, 3)
    lane.thread.committed[A] = 3
    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()
    lane.thread.records[A].clear()
    lane.thread.append(A, 2)
    lane.thread.at[A] = 0

    with ends_with(Exit.WENT_BACK):
        await lane.poll()


async def test_a_commit_beyond_the_end_is_none() -> None:
    """The group has committed a topic that is gone; of this one nothing is read."""
    lane = Lane(A)
    lane.thread.append(A, 2)
    lane.thread.committed[A] = 500

    await lane.consumer.perform_seek()
    lane.consumer.resume_flow()

    assert [offsets(event) for event in await lane.poll()] == [[0, 1]]


async def test_a_state_beyond_the_end_of_its_log_ends_the_process() -> None:
    """Entries that the state was folded from are gone, and others would be taken for them."""
    lane = Lane(A)
    lane.thread.append(A, 2)

    async def state_offsets(committed: Mapping[TP, int | None]) -> dict[TP, int]:
        return {A: 3}

    lane.app.lane.state_offsets = state_offsets
    with ends_with(Exit.LOG_HOLE):
        await lane.consumer.perform_seek()
