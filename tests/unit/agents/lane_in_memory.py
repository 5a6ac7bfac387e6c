"""
A lane consumer without a broker: its thread keeps the records in lists, and the end of the process is an
exception.

The thread stands in for Kafka and aiokafka alone. What is polled, delivered, held, drained and committed is
decided by the real `LaneConsumer`, under the real Faust.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mode
import pytest
from aiokafka.structs import ConsumerRecord
from faust import Event
from faust.types import TP

from agents.app import LaneApp, make_app
from agents.lane.consumer import LaneConsumer
from agents.lane.delivery import RecordBatch
from agents.lane.fences import Exit
from agents.lane.transport import LaneOptions
from agents.time_source import SYSTEM_TIME, TimeSource


class Stopped(BaseException):
    """The process would have ended here, with this exit code."""


@contextmanager
def ends_with(code: Exit) -> Iterator[None]:
    """Expect the process to end with *code*."""
    with pytest.raises(Stopped) as stopped:
        yield
    assert stopped.value.args == (code,)


def record(
    tp: TP, offset: int, key: bytes = b"k", value: bytes | None = b"v", *, timestamp: int = 1_700_000_000_000
) -> ConsumerRecord:
    """A record as aiokafka hands it out."""
    return ConsumerRecord(tp.topic, tp.partition, offset, timestamp, 0, key, value, None, 0, 0, ())


class InMemoryThread(mode.Service):
    """
    Partitions in lists, of each of which a poll brings *poll_records* at most.

    A poll that has begun waits while the gate is shut, as a fetch waits for its answer.
    """

    def __init__(self, _consumer: LaneConsumer, **options: Any) -> None:
        super().__init__(**options)
        self.records: dict[TP, list[ConsumerRecord]] = {}
        self.at: dict[TP, int] = {}
        self.committed: dict[TP, int] = {}
        self.poll_records = sys.maxsize
        self.unread: set[TP] = set()
        self.polls = 0
        self.polling = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def append(self, tp: TP, count: int = 1, *, gap: int = 0) -> None:
        """Add *count* records behind the last one, *gap* offsets further on."""
        records = self.records.setdefault(tp, [])
        start = (records[-1].offset + 1 if records else 0) + gap
        records += [record(tp, offset) for offset in range(start, start + count)]

    async def call_thread(self, method: Any, *args: Any, **options: Any) -> Any:
        return await method(*args, **options)

    async def getmany(
        self,
        active: set[TP],
        timeout: float,  # noqa: ASYNC109, ARG002 - as declared by Faust
    ) -> Mapping[TP, list[ConsumerRecord]]:
        self.polls += 1
        self.polling.set()
        await self.gate.wait()
        polled = {}
        for tp in sorted(active):
            found = [r for r in self.records.get(tp, []) if r.offset >= self.at.get(tp, 0)][
                : self.poll_records
            ]
            if found:
                polled[tp] = found
                self.at[tp] = found[-1].offset + 1
        self.unread = {tp for tp in active if self.records[tp] and self.at[tp] < self.highwater(tp)}
        return polled

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        for tp, offset in self.committed.items():
            if offset:  # as aiokafka: a partition without a commit stays where it is
                self.at[tp] = offset
        return {tp: self.committed.get(tp) for tp in self.assignment()}

    async def place(self, offsets: Mapping[TP, int], at_beginning: Iterable[TP]) -> None:
        self.at.update(offsets)
        for tp in at_beginning:
            self.at[tp] = self.records[tp][0].offset if self.records.get(tp) else 0

    async def positions(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self.at[tp] for tp in tps if tp in self.at}

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self.highwater(tp) for tp in tps if self.records[tp]}

    async def log_ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self.highwater(tp) if self.records[tp] else 0 for tp in tps}

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        self.committed.update(offsets)
        return True

    def assignment(self) -> set[TP]:
        return set(self.records)

    def highwater(self, tp: TP) -> int:
        last: int = self.records[tp][-1].offset
        return last + 1

    def mirror_pause(self, tps: Iterable[TP], *, paused: bool) -> None:
        """Faust's own books are enough here."""


class InMemoryConsumer(LaneConsumer):
    """The lane's consumer on an `InMemoryThread`."""

    _thread: InMemoryThread  # type: ignore[assignment]  # in the place of Kafka and aiokafka

    def _new_consumer_thread(self) -> InMemoryThread:  # type: ignore[override]  # the same
        return InMemoryThread(self)


class Lane:
    """A consumer that owns *tps*, and what a test does with it."""

    def __init__(
        self, *tps: TP, options: LaneOptions | None = None, time_source: TimeSource = SYSTEM_TIME
    ) -> None:
        self.app: LaneApp = make_app(
            "lane",
            brokers="127.0.0.1:1",
            partitions=4,
            lane_options=options or LaneOptions(pause_seconds=0),
            time_source=time_source,
        )

        async def nothing(*_: Any) -> None: ...

        self.consumer = InMemoryConsumer(
            self.app.lane,
            callback=nothing,
            on_partitions_revoked=nothing,
            on_partitions_assigned=nothing,
            loop=asyncio.get_running_loop(),
            beacon=self.app.beacon,
        )
        self.app.consumer = self.consumer
        self.app.consumer_generation_id = 1
        self.thread = self.consumer._thread
        for tp in tps:
            self.thread.records[tp] = []
        self.consumer._set_active_tps(set(tps))

    async def poll(self) -> list[Event]:
        """What one poll delivers, as the events an agent would get."""
        return [
            Event(self.app, None, message.value, {}, message)
            async for _, message in self.consumer.getmany(timeout=0.05)
        ]

    def ack(self, event: Event) -> None:
        self.consumer.ack(event.message)


def batch_of(event: Event) -> RecordBatch:
    """What an event of the lane carries."""
    assert isinstance(event.value, RecordBatch)
    return event.value


def offsets(event: Event) -> list[int]:
    """The offsets an event carries."""
    return [r.offset for r in batch_of(event).records]
