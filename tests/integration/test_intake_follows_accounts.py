"""The directory feed on the embedded broker: every account before the first event, and what comes after."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog
from aiokafka import AIOKafkaProducer

from agents.directory_feed import directory_feed
from agents.input_progress import partitions_of
from pipeline.embedded.broker import EmbeddedBroker

TOPIC = "customer.account.v1"

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def kafka() -> Iterator[EmbeddedBroker]:
    """One broker for all tests here; each has a topic of its own."""
    with EmbeddedBroker() as broker:
        yield broker


class Learned:
    """What was learned, in order; learning waits while *gate* is shut."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, records: Sequence[Any]) -> None:
        self.begun.set()
        await self.gate.wait()
        self.values += [record.value for record in records]


async def send(kafka: EmbeddedBroker, topic: str, *values: bytes) -> None:
    """Append *values*, spread over the partitions, and wait until they are in."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True) as producer:
        for number, value in enumerate(values):
            await producer.send_and_wait(topic, value, partition=number % 4)


def values(prefix: str, count: int) -> list[bytes]:
    return [f"{prefix}-{number}".encode() for number in range(count)]


async def test_it_opens_when_all_that_is_in_the_topic_is_learned(kafka: EmbeddedBroker) -> None:
    """Every partition, from its beginning, without a group."""
    learn, sent = Learned(), values("account", 50)
    kafka.create_topics(["whole"])
    await send(kafka, "whole", *sent)

    async with directory_feed("whole", learn, {"bootstrap_servers": kafka.bootstrap}):
        assert sorted(learn.values) == sorted(sent)


async def test_a_catch_up_returns_when_what_was_sent_before_it_is_learned(kafka: EmbeddedBroker) -> None:
    """Beside the follower, without learning anything twice or out of order."""
    learn = Learned()
    kafka.create_topics(["beside"])
    async with directory_feed("beside", learn, {"bootstrap_servers": kafka.bootstrap}) as feed:
        following = asyncio.create_task(feed.follow())
        sent: list[bytes] = []
        for turn in range(5):
            sent += (more := values(f"turn{turn}", 8))
            await send(kafka, "beside", *more)
            await feed.catch_up()
            assert sorted(learn.values) == sorted(sent)
        following.cancel()


async def test_a_catch_up_waits_for_what_the_follower_is_learning(kafka: EmbeddedBroker) -> None:
    """The follower has read it, so nothing is left to read; but the directory does not know it yet."""
    learn = Learned()
    kafka.create_topics(["late"])
    async with directory_feed("late", learn, {"bootstrap_servers": kafka.bootstrap}) as feed:
        learn.gate.clear()
        learn.begun.clear()
        following = asyncio.create_task(feed.follow())
        await send(kafka, "late", b"account")
        await learn.begun.wait()
        catching_up = asyncio.create_task(feed.catch_up())
        await asyncio.sleep(0.5)  # longer than a broker takes for the ends
        assert not catching_up.done()

        learn.gate.set()
        await catching_up
        assert learn.values == [b"account"]
        following.cancel()


async def test_a_catch_up_with_nothing_new_is_quick(kafka: EmbeddedBroker) -> None:
    """Each poll with an event that nobody can place waits for one; the follower's fetch is in its way."""
    kafka.create_topics(["quiet"])
    async with directory_feed("quiet", Learned(), {"bootstrap_servers": kafka.bootstrap}) as feed:
        following = asyncio.create_task(feed.follow())
        async with asyncio.timeout(4):
            for _ in range(10):
                await feed.catch_up()
        following.cancel()


async def test_a_follower_that_fails_says_so(kafka: EmbeddedBroker) -> None:
    """A directory that silently stays behind would send every new account's events to the dead letters."""

    async def confused(records: Sequence[Any]) -> None:
        raise ArithmeticError(str(records[0].value))

    kafka.create_topics(["confused"])
    async with directory_feed("confused", confused, {"bootstrap_servers": kafka.bootstrap}) as feed:
        await send(kafka, "confused", b"account")
        with pytest.raises(ArithmeticError):
            await feed.follow()


async def test_a_topic_that_is_missing_is_waited_for(
    kafka: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts the workers before the topics are made gets a line that says what to do."""
    from agents import directory_feed as module

    asked = 0

    async def not_yet(*question: Any) -> Any:
        nonlocal asked
        asked += 1
        return [] if asked == 1 else await partitions_of(*question)

    monkeypatch.setattr(module, "partitions_of", not_yet)
    with structlog.testing.capture_logs() as logs:
        connection = {"bootstrap_servers": kafka.bootstrap}
        async with directory_feed(TOPIC, Learned(), connection, topic_poll_seconds=0.01):
            pass

    assert [(line["event"], line["topic"]) for line in logs] == [("directory.waiting", TOPIC)]


async def test_a_start_that_is_given_up_closes_its_connections(kafka: EmbeddedBroker) -> None:
    """A worker that is stopped while it learns leaves nothing behind: a warning would be an error here."""
    learn = Learned()
    learn.gate.clear()
    kafka.create_topics(["given-up"])
    await send(kafka, "given-up", b"account")

    async def open_and_close() -> None:
        async with directory_feed("given-up", learn, {"bootstrap_servers": kafka.bootstrap}):
            pass

    opening = asyncio.create_task(open_and_close())
    await learn.begun.wait()
    opening.cancel()
    await asyncio.wait({opening})

    assert opening.cancelled()
