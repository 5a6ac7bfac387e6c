"""The writer: what waits for a partition is written together, in order, or the process ends."""

import asyncio

import pytest

from agents.lane.fences import Exit
from agents.lane.writer import Writer
from tests.unit.agents.lane_in_memory import ends_with

pytestmark = pytest.mark.asyncio


async def test_what_waits_for_a_partition_is_written_together() -> None:
    """While one write is under way the next one collects; partitions do not wait for each other."""
    written, going_on = [], asyncio.Event()

    async def write(partition: int, items: list[str]) -> None:
        written.append((partition, items))
        await going_on.wait()

    writer: Writer[str] = Writer(write)
    writer.put(0, "a")
    await asyncio.sleep(0)
    writer.put(0, "b")
    writer.put(0, "c")
    writer.put(1, "d")
    await asyncio.sleep(0)
    going_on.set()
    await writer.close()

    assert written == [(0, ["a"]), (1, ["d"]), (0, ["b", "c"])]


async def test_a_write_that_fails_ends_the_process() -> None:
    """What would be written behind it would hide the hole."""

    async def write(partition: int, items: list[str]) -> None:
        raise ConnectionError("no leader")

    writer: Writer[str] = Writer(write)
    writer.put(3, "a")

    with ends_with(Exit.APPEND):
        await asyncio.gather(*writer._tasks)


async def test_an_append_that_the_producer_gave_up_ends_the_process() -> None:
    """A closing producer cancels what it has not sent; only our own end is an orderly one."""
    given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    given_up.cancel()

    async def write(partition: int, items: list[str]) -> None:
        await given_up

    writer: Writer[str] = Writer(write)
    writer.put(3, "a")

    with ends_with(Exit.APPEND):
        await asyncio.gather(*writer._tasks)


async def test_closing_writes_what_waits_and_ends_the_tasks() -> None:
    """After close() nothing runs and nothing is lost."""
    written = []

    async def write(partition: int, items: list[str]) -> None:
        await asyncio.sleep(0.01)
        while items:  # the list is ours
            written.append(items.pop(0))

    writer: Writer[str] = Writer(write)
    for item in "abc":
        writer.put(0, item)
    await writer.close()

    assert written == ["a", "b", "c"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_writer_is_cancelled_without_an_alarm() -> None:
    """The end of the event loop cancels what waits for items, and that is no failed append."""
    going_on = asyncio.Event()

    async def write(partition: int, items: list[str]) -> None:
        await going_on.wait()

    writer: Writer[str] = Writer(write)
    writer.put(0, "a")
    await asyncio.sleep(0)
    [task] = writer._tasks
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
