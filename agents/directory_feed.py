"""
Keeps one intake worker's account directory level with the account topic.

Every worker needs every account, so this reads all partitions without a group, from the beginning. What a record
means to the directory is decided in ``pipeline.intake``; a record it refuses goes to the dead letters by the intake's
own way through the same topic, so here it is only passed over.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

LearnAccount = Callable[[Any], None]
"""Takes one record of the account topic (key, value, offset as aiokafka gives them) into the directory."""

_FOLLOW_WAIT_MS = 500


class DirectoryFeed:
    """
    The account topic from its beginning to its present end, and what is appended after.

    *connection* are aiokafka's connection arguments; *learn* is called with each record, in the order of its partition.
    """

    def __init__(self, topic: str, learn: LearnAccount, connection: dict[str, Any]) -> None:
        self._topic = topic
        self._learn = learn
        self._consumer = AIOKafkaConsumer(
            enable_auto_commit=False, auto_offset_reset="earliest", **connection
        )
        # One reader at a time: the follower and a catch-up would otherwise hand records to the directory out of order.
        self._reading = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the topic to its end, then follow it until `stop`."""
        await self._consumer.start()
        await self._consumer.topics()
        partitions = self._consumer.partitions_for_topic(self._topic)
        while not partitions:
            await asyncio.sleep(0.2)  # the topic is being created
            self._consumer.subscribe([self._topic])
            await self._consumer.topics()
            partitions = self._consumer.partitions_for_topic(self._topic)
        self._consumer.unsubscribe()
        self._consumer.assign([TopicPartition(self._topic, number) for number in sorted(partitions)])
        await self.catch_up()
        self._follower = asyncio.create_task(self._follow())

    async def catch_up(self) -> None:
        """Return when everything that is in the topic now has been learned."""
        assigned = self._consumer.assignment()
        ends = await self._consumer.end_offsets(assigned)
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                await self._read(partition, wait_ms=200)

    async def stop(self) -> None:
        """Stop following and close the connection."""
        if self._follower is not None:
            self._follower.cancel()
        await self._consumer.stop()

    async def _follow(self) -> None:
        while True:
            await self._read(wait_ms=_FOLLOW_WAIT_MS)

    async def _read(self, *partitions: TopicPartition, wait_ms: int) -> None:
        async with self._reading:
            polled = await self._consumer.getmany(*partitions, timeout_ms=wait_ms)
            for records in polled.values():
                for record in records:
                    self._learn(record)
