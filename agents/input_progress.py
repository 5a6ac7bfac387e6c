"""
How far the inputs go and how far the intake's group has come, asked of the brokers.

The clock judges by it when a tick may be written; nothing here decides anything.
"""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import NoError, UnknownTopicOrPartitionError, for_code


async def partitions_of(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> list[TopicPartition]:
    """
    All partitions of *topics*; a topic that does not exist has none.

    Raises aiokafka's error for a topic whose partitions a broker cannot tell: taken for none, they would be
    left out.
    """
    found = []
    for topic in await admin.describe_topics(list(topics)):
        error = for_code(topic["error_code"])
        if error not in {NoError, UnknownTopicOrPartitionError}:
            raise error(topic["topic"])
        found += [TopicPartition(topic["topic"], partition["partition"]) for partition in topic["partitions"]]
    return found


class InputProgress:
    """
    End offsets of the topics *inputs* and committed offsets of *group*; open between ``async with`` and its
    end.

    *connection* are aiokafka's connection arguments. Every question raises aiokafka's errors while a broker
    is away.
    """

    def __init__(self, inputs: Sequence[str], group: str, connection: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._group = group
        self._consumer = AIOKafkaConsumer(enable_auto_commit=False, **connection)
        self._admin = AIOKafkaAdminClient(**connection)

    async def ends(self) -> dict[TopicPartition, int]:
        """Offset behind the last record of every partition, those without a record ever left out."""
        ends = await self._consumer.end_offsets(await partitions_of(self._admin, self._inputs))
        return {tp: end for tp, end in ends.items() if end}

    async def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """
        What the group has committed of *partitions*, -1 for nothing; one the coordinator does not tell is
        missing.
        """
        # By name: asked for all partitions, the embedded broker answers with none at all.
        answered = await self._admin.list_consumer_group_offsets(self._group, partitions=list(partitions))
        return {tp: at.offset for tp, at in answered.items()}

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()
