"""
Reads the dead-letter topics: follows all of them from the beginning, and fetches single records again.

It also sees that they are still the topics they were. Of one that was recreated or cut, every place that
somebody remembers means another record or none; what a record means is ``dead_letter_returns``'.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from agents.input_progress import partitions_of
from agents.time_source import TimeSource
from agents.topic_ids import recreated
from pipeline.errors import TelltaleError

Polled = Mapping[TopicPartition, Sequence[Any]]
"""Records of aiokafka by partition, in order."""

_FOLLOW_WAIT_MS = 500
_FETCH_WAIT_MS = 200
_READ_RECORDS = 500
"""Most that is handed over at a time: the events of the worker wait while it is decoded."""


class TopicsChanged(Exception):  # noqa: N818 - reads as what happened
    """A topic was recreated, cut or created; whoever remembers places must read all of them again."""


@asynccontextmanager
async def dead_letter_reader(
    topics: Sequence[str],
    ask: Callable[[], Mapping[str, str]],
    connection: Mapping[str, Any],
    *,
    look_seconds: float,
    time_source: TimeSource,
) -> AsyncIterator["DeadLetterFeed"]:
    """
    A reader of those of *topics* that exist, open for the length of the block.

    *ask* gets their ids from a broker, see ``agents.topic_ids``; it is asked every *look_seconds*.
    *connection* are aiokafka's connection arguments. Raises aiokafka's errors, and what *ask* raises.
    """
    ids = await asyncio.to_thread(ask)
    partitions = await _partitions(topics, connection)
    async with _consumer(connection) as follower, _consumer(connection) as fetcher:
        follower.assign(partitions)
        yield DeadLetterFeed(follower, fetcher, ids, ask, look_seconds=look_seconds, time_source=time_source)


class DeadLetterFeed:
    """
    Two consumers without a group: *follower* has all partitions assigned, *fetcher* goes where it is sent.

    *ids* are the topics' ids from before the first record was read.
    """

    def __init__(
        self,
        follower: AIOKafkaConsumer,
        fetcher: AIOKafkaConsumer,
        ids: Mapping[str, str],
        ask: Callable[[], Mapping[str, str]],
        *,
        look_seconds: float,
        time_source: TimeSource,
    ) -> None:
        self._follower = follower
        self._fetcher = fetcher
        self._ids = ids
        self._ask = ask
        self._look_seconds = look_seconds
        self._monotonic = time_source.monotonic
        self._looked_at = self._monotonic()
        self._read_up_to: dict[TopicPartition, int] = {}

    @property
    def has_topics(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._follower.assignment())

    async def poll(self) -> Polled:
        """What comes next, maybe nothing. Raises ``TopicsChanged``."""
        if self._monotonic() - self._looked_at > self._look_seconds:
            with suppress(TelltaleError):  # Nobody answers: then nothing is read either.
                await self.look()
        polled: Polled = await self._follower.getmany(timeout_ms=_FOLLOW_WAIT_MS, max_records=_READ_RECORDS)
        for tp in self._follower.assignment():
            # aiokafka begins again by itself where its position is gone.
            position, read = await self._follower.position(tp), self._read_up_to.get(tp, 0)
            goes_on = polled[tp][0].offset if tp in polled else position
            if goes_on < read:
                raise TopicsChanged(
                    f"{tp.topic}[{tp.partition}] goes on at {goes_on}, it was read up to {read}"
                )
            self._read_up_to[tp] = position
        return polled

    async def catch_up(self, take: Callable[[Polled], Awaitable[None]]) -> None:
        """Hand to *take* all that is in the topics now. Raises ``TopicsChanged``."""
        ends = await self._follower.end_offsets(self._follower.assignment())
        while behind := [tp for tp, end in ends.items() if await self._follower.position(tp) < end]:
            polled = await self.poll()
            await take(polled)
            if not polled:  # It may be shorter by now.
                now = await self._follower.end_offsets(behind)
                ends = {tp: min(ends[tp], now[tp]) for tp in behind}

    async def look(self) -> None:
        """Ask for the topics' ids now. Raises ``TopicsChanged``, and what the asking raises."""
        now = await asyncio.to_thread(self._ask)
        self._looked_at = self._monotonic()
        created = [f"{topic} was created" for topic in now.keys() - self._ids.keys()]
        changes = recreated(self._ids, now) + created
        if changes:
            raise TopicsChanged("; ".join(changes))

    async def fetch(self, tp: TopicPartition, offsets: Sequence[int]) -> list[Any]:
        """The records of *tp* at *offsets*, which rise; those that the topic does not have are left out."""
        self._fetcher.assign([tp])
        found: list[Any] = []
        left = await self._within(tp, offsets)
        while left:
            self._fetcher.seek(tp, left[0])
            fetched = (await self._fetcher.getmany(tp, timeout_ms=_FETCH_WAIT_MS)).get(tp, [])
            found += [record for record in fetched if record.offset in left]
            # Without records: a transaction's marker was passed, or the topic was cut meanwhile.
            following = fetched[-1].offset + 1 if fetched else await self._fetcher.position(tp)
            left = [offset for offset in left if offset >= following]
            if not fetched:
                left = await self._within(tp, left)
        # Or it would go on fetching ahead. Without an assignment, aiokafka may not notice that it is closed.
        self._fetcher.pause(tp)
        return found

    async def _within(self, tp: TopicPartition, offsets: Sequence[int]) -> list[int]:
        """Those of *offsets* that are between the start and the end of *tp* now."""
        start = (await self._fetcher.beginning_offsets([tp]))[tp]
        end = (await self._fetcher.end_offsets([tp]))[tp]
        return [offset for offset in offsets if start <= offset < end]


async def _partitions(topics: Sequence[str], connection: Mapping[str, Any]) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**connection)
    try:
        await admin.start()
        return await partitions_of(admin, topics)
    finally:
        await admin.close()


@asynccontextmanager
async def _consumer(connection: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, open for the length of the block."""
    consumer = AIOKafkaConsumer(enable_auto_commit=False, auto_offset_reset="earliest", **connection)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()
