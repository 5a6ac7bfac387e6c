"""The dead-letter reader on the embedded broker: it ends with the log, and sees what is another topic."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from agents.dead_letter_feed import DeadLetterFeed, Polled, TopicsChanged, dead_letter_reader
from agents.time_source import SYSTEM_TIME
from pipeline.embedded.broker import EmbeddedBroker

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def kafka() -> Iterator[EmbeddedBroker]:
    """One broker for all tests here; each has a topic of its own."""
    with EmbeddedBroker() as broker:
        yield broker


@asynccontextmanager
async def reading(
    kafka: EmbeddedBroker, tp: TopicPartition, *, records: int, ids: Mapping[str, str] | None = None
) -> AsyncIterator[DeadLetterFeed]:
    """A reader of the topic of *tp*, which has *records*; *ids* are told whenever it asks."""
    kafka.create_topics([tp.topic])
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for number in range(records):
            await producer.send_and_wait(tp.topic, b"%d" % number, partition=tp.partition)
    async with dead_letter_reader(
        [tp.topic],
        lambda: dict(ids or {}),
        {"bootstrap_servers": kafka.bootstrap},
        look_seconds=0.0,
        time_source=SYSTEM_TIME,
    ) as reader:
        yield reader


async def for_ever(poll: Callable[[], Awaitable[Any]]) -> None:
    """Poll until it raises; the test's timeout ends it."""
    while True:
        await poll()


async def test_what_the_topic_no_longer_has_is_left_out(kafka: EmbeddedBroker) -> None:
    """Offsets of before the topic was emptied or recreated are behind its end: nobody waits for them."""
    tp = TopicPartition("shorter", 1)
    async with reading(kafka, tp, records=5) as reader, asyncio.timeout(10):
        found = await reader.fetch(tp, [0, 3, 4, 5, 1000])
        nothing = await reader.fetch(TopicPartition("shorter", 2), [0, 7])

    assert [record.value for record in found] == [b"0", b"3", b"4"]
    assert nothing == []


async def test_a_topic_that_goes_on_before_what_was_read_is_told(kafka: EmbeddedBroker) -> None:
    """
    The client begins again where the broker does not have its position, also on brokers that tell no ids.

        0 |---- five records ----| 5 . . . . . . read up to 9, then goes on at 0
    """
    tp = TopicPartition("cut", 0)
    async with reading(kafka, tp, records=5) as reader:
        reader._follower.seek(tp, 9)
        with pytest.raises(TopicsChanged, match=r"cut\[0\] goes on at 0, it was read up to 9"):
            await for_ever(reader.poll)


async def test_a_catch_up_with_a_topic_that_gets_shorter_ends(kafka: EmbeddedBroker) -> None:
    """It was emptied between the question for its end and the reading."""
    tp = TopicPartition("emptied", 0)
    took: list[bytes | None] = []

    async def take(polled: Polled) -> None:
        took.extend(record.value for records in polled.values() for record in records)

    async with reading(kafka, tp, records=3) as reader, asyncio.timeout(10):
        ends = reader._follower.end_offsets
        longer = iter([{tp: 50}])

        async def shrinking(partitions: Any) -> Mapping[TopicPartition, int]:
            return next(longer, None) or await ends(partitions)

        reader._follower.end_offsets = shrinking
        await reader.catch_up(take)

    assert took == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ({"watched": "second"}, "watched was deleted and recreated: its id was first and is second"),
        ({"watched": "first", "later": "third"}, "later was created"),
        ({}, ""),
        ({"watched": ""}, ""),
    ],
    ids=["recreated", "created", "missing", "not told"],
)
async def test_topics_are_known_by_their_ids(kafka: EmbeddedBroker, now: dict[str, str], says: str) -> None:
    """As the inputs are; one that is missing or has no id is not judged."""
    ids = {"watched": "first"}
    async with reading(kafka, TopicPartition("watched", 0), records=0, ids=ids) as reader:
        await reader.poll()
        ids.clear()
        ids.update(now)
        if says:
            with pytest.raises(TopicsChanged, match=says):
                await reader.poll()
        else:
            await reader.poll()
