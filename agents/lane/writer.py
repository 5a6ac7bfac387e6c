"""
Whole record batches in order, and the queue that groups what waits for the same partition.

Order between topics (outputs before state) is the caller's: it awaits one append before it makes the next.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata
from faust.types import AppT

from agents.lane.fences import Exit, stop

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes | None]]
Record = tuple[bytes | None, bytes | None] | tuple[bytes | None, bytes | None, Headers]
"""Key and value of a record to be appended, and its headers if it has some."""

STATE_BATCH_BYTES: Final = 4_000_000
"""
Most bytes of the one batch of a step: below max.message.bytes of the changelog, four times Kafka's default.
"""

_UNCOMPRESSED: Final = 0

Item = TypeVar("Item")


class RecordTooLarge(ValueError):  # noqa: N818 - reads as what happened
    """A record does not fit into ``producer_max_batch_size``, or a step not into ``STATE_BATCH_BYTES``."""


async def append(
    app: AppT, topic: str, partition: int, records: Iterable[Record], *, one_batch: bool = False
) -> list[RecordMetadata]:
    """
    Append *records* in order, as record batches; returns when all in-sync replicas have each of them.

    Returns the metadata of each batch (``offset`` is that of its first record); no batch for no records. With
    *one_batch* they are one batch, which Kafka takes whole or not at all, and the topic must take
    ``STATE_BATCH_BYTES``. Raises RecordTooLarge, and aiokafka's errors when an append fails; what has arrived
    by then is not known.
    """
    producer: Any = app.producer._ensure_producer()  # type: ignore[attr-defined]  # noqa: SLF001 - whole batches
    limit = STATE_BATCH_BYTES if one_batch else app.conf.producer_max_batch_size
    pending: list[Awaitable[RecordMetadata]] = []

    async def send() -> None:
        if batch.size() > limit:  # a builder takes its first record, however large
            raise RecordTooLarge(
                f"a record for {topic}[{partition}] takes {batch.size():,} bytes, the most is {limit:,}"
            )
        pending.append(await producer.send_batch(batch, topic, partition=partition))

    batch = BatchBuilder(limit, _UNCOMPRESSED) if one_batch else producer.create_batch()
    for key, value, *rest in records:
        headers: list[tuple[str, bytes | None]] = list(*rest)
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            if one_batch:
                raise RecordTooLarge(
                    f"a step for {topic}[{partition}] does not fit into one batch of {limit:,} bytes; cut it smaller"
                )
            await send()
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
    if batch.record_count():
        await send()
    return [await acknowledged for acknowledged in pending]


class Writer(Generic[Item]):
    """
    Group commit: per partition, ``write(partition, items)`` gets all items that wait, one call at a time.

    An error out of *write* ends the process at once: what follows a failed append would hide the hole.
    """

    def __init__(self, write: Callable[[int, list[Item]], Awaitable[None]]) -> None:
        self._write = write
        self._queues: dict[int, asyncio.Queue[Item]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, partition: int, item: Item) -> None:
        """Queue *item* behind what waits for *partition*; needs a running event loop."""
        queue = self._queues.get(partition)
        if queue is None:
            queue = self._queues[partition] = asyncio.Queue()
            self._tasks.append(asyncio.create_task(self._run(partition, queue), name=f"writer-{partition}"))
        queue.put_nowait(item)

    async def close(self) -> None:
        """Wait until all that was queued is written, and end the tasks; ``put`` starts them again."""
        await asyncio.gather(*(queue.join() for queue in self._queues.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._queues.clear()
        self._tasks.clear()

    async def _run(self, partition: int, queue: asyncio.Queue[Item]) -> None:
        while True:
            items = [await queue.get()]
            while not queue.empty():
                items.append(queue.get_nowait())
            taken = len(items)  # the list is the callee's from here on
            try:
                await self._write(partition, items)
            except BaseException as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise
                log.exception("Writing partition %d failed", partition)
                stop(Exit.APPEND, f"partition {partition}: {error!r}")
            for _ in range(taken):
                queue.task_done()
