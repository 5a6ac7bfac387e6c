"""
Intake and health without a broker: the lane in memory, and a producer whose topics are lists.

Batches are aiokafka's own, taken apart again, so that sizes and headers are those of a broker. The workers,
their writers and the fences are the real ones.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord, RecordMetadata
from faust import Event
from faust.types import TP

from agents.app import PRODUCER_MAX_BATCH_BYTES
from agents.time_source import SYSTEM_TIME, TimeSource
from pipeline.wire.contract import Contract
from pipeline.wire.registry import EmbeddedRegistry
from tests.unit.agents.lane_in_memory import Lane

CONTRACT = Contract.load()
REGISTRY = EmbeddedRegistry(CONTRACT)
PARTITIONS = 4


class InMemoryProducer:
    """
    What `append` and `partition_count` need of aiokafka's producer.

    *batches* has the records of each batch in the order in which they came. A topic in *failing* refuses; one
    in *held* acknowledges when its event is set.
    """

    def __init__(self) -> None:
        self.batches: list[tuple[TP, list[ConsumerRecord]]] = []
        self.counts: dict[str, int] = {}
        self.failing: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}
        self.came: asyncio.Event = asyncio.Event()
        self._ends: dict[TP, int] = defaultdict(int)

    def _ensure_producer(self) -> "InMemoryProducer":
        return self

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self.counts.get(topic, PARTITIONS)))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(PRODUCER_MAX_BATCH_BYTES, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[Any]:
        tp = TP(topic, partition)
        assert partition in await self.partitions_for(topic), f"no partition {partition} in {topic}"
        if topic in self.failing:
            raise ConnectionError(f"{topic} is not to be reached")
        first, records = self._ends[tp], []
        unpacked = MemoryRecords(bytes(batch._build()))
        while unpacked.has_next():
            for r in unpacked.next_batch():
                offset = self._ends[tp]
                self._ends[tp] += 1
                records.append(
                    ConsumerRecord(
                        topic, partition, offset, r.timestamp, 0, r.key, r.value, None, 0, 0, tuple(r.headers)
                    )
                )
        self.batches.append((tp, records))
        self.came.set()
        metadata = RecordMetadata(topic, partition, TopicPartition(topic, partition), first, 0, 0, 0)
        return asyncio.ensure_future(self._acknowledge(topic, metadata))

    async def _acknowledge(self, topic: str, metadata: RecordMetadata) -> RecordMetadata:
        if topic in self.held:
            await self.held[topic].wait()
        return metadata

    def read(self, topic: str, partition: int | None = None) -> list[ConsumerRecord]:
        """Every record of *topic*, or of one partition of it, in the order in which they came."""
        return [
            record
            for tp, records in self.batches
            for record in records
            if tp.topic == topic and partition in {None, tp.partition}
        ]


class Running:
    """A worker's lane, its producer and its agent, fed by hand."""

    def __init__(self, *tps: TP, time_source: TimeSource = SYSTEM_TIME) -> None:
        self.lane = Lane(*tps, time_source=time_source)
        self.producer = InMemoryProducer()
        self.lane.app.producer = self.producer  # type: ignore[assignment]  # as much of one as the workers use

    def put(
        self,
        tp: TP,
        key: bytes | None,
        value: bytes | None,
        *,
        timestamp: int = 1_700_000_000_000,
        headers: tuple[tuple[str, bytes | None], ...] = (),
    ) -> None:
        """Append one record to what is to be polled of *tp*."""
        records = self.lane.thread.records.setdefault(tp, [])
        offset = records[-1].offset + 1 if records else 0
        records.append(
            ConsumerRecord(
                tp.topic, tp.partition, offset, timestamp, 0, key, value, None, 0, len(value or b""), headers
            )
        )

    async def process(self, worker: Any) -> list[Event]:
        """
        Hand one poll to the agent of *worker*, and return its events when the agent is through with them.
        """
        events = await self.lane.poll()
        for event in events:
            event.message.incref()
        await worker._process(_Stream(events))
        return events


class _Stream:
    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def noack(self) -> "_Stream":
        return self

    async def events(self) -> AsyncIterator[Event]:
        for event in self._events:
            yield event


async def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds; two seconds at most."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)
