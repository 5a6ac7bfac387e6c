"""
Keeps one intake worker's account directory level with the account topic.

Every worker needs every account, so this reads all partitions without a group, from the beginning. What a
record means to the directory is decided in ``pipeline.intake``; a record it refuses goes to the dead letters
by the intake's own way through the same topic, so here it is only passed over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from agents.input_progress import partitions_of

log = structlog.get_logger(__name__)

LearnAccounts = Callable[[Sequence[Any]], Awaitable[None]]
"""
Takes records of the account topic (aiokafka's) into the directory; returns when the directory has them all.
"""

_FOLLOW_WAIT_MS = 500
_CATCH_UP_WAIT_MS = 50
_FETCH_WAIT_MS = 100
"""
A broker answers one request of a connection after the other: a catch-up waits for the fetch of the follower.
"""


@asynccontextmanager
async def directory_feed(
    topic: str, learn: LearnAccounts, connection: Mapping[str, Any], *, topic_poll_seconds: float = 0.5
) -> AsyncIterator["DirectoryFeed"]:
    """
    A feed that has read *topic* to its end, open for the length of the block.

    A topic that is missing is waited for, and asked about every *topic_poll_seconds*. *learn* gets the
    records of each partition in order. *connection* are aiokafka's connection arguments. Partitions that are
    added later are read after a restart.
    """
    partitions = await _partitions(topic, connection, topic_poll_seconds)
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        **connection,
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        feed = DirectoryFeed(consumer, learn)
        await feed.catch_up()
        yield feed
    finally:
        await consumer.stop()


class DirectoryFeed:
    """What stands in the account topic, learned on demand by ``catch_up`` and continually by ``follow``."""

    def __init__(self, consumer: AIOKafkaConsumer, learn: LearnAccounts) -> None:
        self._consumer = consumer
        self._learn = learn
        # One reader at a time: two would hand records to the directory out of order.
        self._reading = asyncio.Lock()
        self._learned = asyncio.Event()
        self._learned.set()

    async def catch_up(self) -> None:
        """Return when everything that is in the topic now has been learned."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                await self._read(partition, wait_ms=_CATCH_UP_WAIT_MS)
        # The follower may have read the last of it a moment ago.
        await self._learned.wait()

    async def follow(self) -> None:
        """Learn what is appended, until cancelled."""
        while True:
            await self._read(wait_ms=_FOLLOW_WAIT_MS)

    async def _read(self, *partitions: TopicPartition, wait_ms: int) -> None:
        async with self._reading:
            polled = await self._consumer.getmany(*partitions, timeout_ms=wait_ms)
            self._learned.clear()
            for records in polled.values():
                await self._learn(records)
            self._learned.set()


async def _partitions(topic: str, connection: Mapping[str, Any], poll_seconds: float) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**connection)
    try:
        await admin.start()
        found = await partitions_of(admin, [topic])
        if not found:
            log.warning("directory.waiting", topic=topic, hint="create the topics: telltale topics apply")
        while not found:
            await asyncio.sleep(poll_seconds)
            found = await partitions_of(admin, [topic])
        return found
    finally:
        await admin.close()
