"""
A worker on the lane in this process, on the embedded broker: what exists only on one that runs.

Where one of these fails after an upgrade of Faust or aiokafka, an override no longer takes effect.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import server_list
from faust.types import TP

from agents.app import PRODUCER_MAX_BATCH_BYTES
from agents.lane.thread import recovery_is_alive
from agents.lane.writer import Record, RecordTooLarge, append
from pipeline.embedded.broker import EmbeddedBroker
from tests.integration.lane_toy import CHANGELOG, LOG, OUTPUT, PARTITIONS, Toy, pack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toy() -> AsyncIterator[Toy]:
    """A worker in this process, started once for all tests below (5 s), ready."""
    with EmbeddedBroker() as broker:
        broker.create_topics([LOG, OUTPUT, CHANGELOG])
        toy = Toy(broker.bootstrap)
        await toy.app.start()
        await until(lambda: not toy.app.rebalancing)
        yield toy
        await toy.app.lane_consumer.drain()
        await toy.app.stop()
        await toy.writer.close()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds; the test's timeout ends it."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)


def aiokafka_consumer(toy: Toy) -> Any:
    """The consumer inside the consumer's thread."""
    return toy.app.lane_consumer._thread._ensure_consumer()


live = pytest.mark.asyncio(loop_scope="module")


@live
async def test_the_producer_is_idempotent_and_waits_for_all_replicas(toy: Toy) -> None:
    """A retried batch is appended once, and an acknowledged one survives its leader."""
    producer: Any = toy.app.producer._ensure_producer()  # type: ignore[attr-defined]  # Faust does not tell

    assert producer._txn_manager is not None
    assert producer._sender._acks == -1
    assert producer._message_accumulator._batch_size == PRODUCER_MAX_BATCH_BYTES


@live
async def test_a_drained_partition_holds_a_fetch_for_a_tenth_of_a_second(toy: Toy) -> None:
    """Faust hard-codes 1.5 s."""
    assert aiokafka_consumer(toy)._fetcher._fetch_max_wait_ms == 100


@live
async def test_heartbeats_renew_the_lease(toy: Toy) -> None:
    """The wrapped request is the one the coordinator sends."""
    lease = toy.app.lane.lease
    granted_at = lease._granted_at
    assert granted_at is not None

    await until(lambda: lease._granted_at != granted_at)


@live
async def test_the_changelog_is_paused_inside_aiokafka_while_we_write_it(toy: Toy) -> None:
    """Faust's pause alone lets aiokafka fetch every state we append."""
    paused = {(tp.topic, tp.partition) for tp in aiokafka_consumer(toy).paused()}

    assert paused == {(CHANGELOG, partition) for partition in range(PARTITIONS)}


@live
async def test_a_worker_that_has_its_partitions_says_so(toy: Toy) -> None:
    """What a readiness probe shows."""
    assert toy.app.readiness() == (True, "processes partitions 0, 1, 2, 3")


@live
async def test_group_and_recovery_are_seen_to_be_alive(toy: Toy) -> None:
    """An error of the group that aiokafka has parked is consumed, and the member goes on."""
    thread, coordinator = toy.app.lane_consumer._thread, aiokafka_consumer(toy)._coordinator
    assert recovery_is_alive(toy.app)

    coordinator._pending_exception = KafkaError("parked")
    await thread.call_thread(thread.check_group)

    assert coordinator._pending_exception is None


@live
async def test_a_whole_poll_reaches_the_agent_and_is_committed(toy: Toy) -> None:
    """Through Faust's conductor, stream and event, and back by an acknowledgement."""
    consumer = toy.app.lane_consumer
    await append(toy.app, LOG, 2, [(b"a", pack(number)) for number in range(100)])

    await until(lambda: consumer._committed_offset[TP(LOG, 2)] == 100)

    assert toy.table.store.folds[2].totals == {b"a": sum(range(100))}
    positions = await consumer._thread.call_thread(consumer._thread.positions, consumer.assignment())
    assert positions[TP(LOG, 2)] == 100


@live
async def test_an_append_is_whole_batches_in_order_with_their_headers(toy: Toy) -> None:
    """
    The offset of a batch is that of its first record; an append that is too large for one batch makes
    several.
    """
    value = bytes(400_000)
    records: list[Record] = [(None, value), (b"k", value), (b"k", value, [("scored", b"now")])]

    batches = await append(toy.app, "appended", 1, records)

    assert [batch.offset for batch in batches] == [0, 2]
    read = await read_all("appended", 1, len(records), toy)
    assert [(r.key, r.headers) for r in read] == [(None, ()), (b"k", ()), (b"k", (("scored", b"now"),))]


@live
async def test_a_step_of_several_megabytes_is_one_batch(toy: Toy) -> None:
    """A batch is appended whole or not at all, so its limit is not that of other appends."""
    records = [(b"%d" % number, bytes(390_000)) for number in range(10)]

    [batch] = await append(toy.app, "appended", 2, records, one_batch=True)

    read = await read_all("appended", 2, len(records), toy)
    assert [(r.offset, len(r.value)) for r in read] == [(batch.offset + n, 390_000) for n in range(10)]


@live
async def test_an_append_of_nothing_appends_nothing(toy: Toy) -> None:
    """A step without outputs."""
    assert await append(toy.app, "appended", 3, []) == []


@live
async def test_a_step_that_must_be_one_batch_is_refused_when_it_is_too_large(toy: Toy) -> None:
    """Half a step in the changelog would be a state that never was."""
    with pytest.raises(RecordTooLarge, match=r"refused\[0\] does not fit into one batch of 4,000,000 bytes"):
        await append(toy.app, "refused", 0, [(b"k", bytes(2_100_000))] * 2, one_batch=True)


@live
async def test_a_record_that_no_batch_can_hold_is_refused(toy: Toy) -> None:
    """A batch builder takes its first record however large it is, and the broker refuses it later."""
    with pytest.raises(RecordTooLarge, match=r"refused\[0\] takes 1,100,\d+ bytes"):
        await append(toy.app, "refused", 0, [(b"k", bytes(1_100_000))])


async def read_all(topic: str, partition: int, count: int, toy: Toy) -> list[Any]:
    """The first *count* records of a partition."""
    tp = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=server_of(toy), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([tp])
        records: list[Any] = []
        while len(records) < count:
            records += (await consumer.getmany(tp, timeout_ms=1000)).get(tp, [])
        return records
    finally:
        await consumer.stop()


def server_of(toy: Toy) -> list[str]:
    """The toy's broker."""
    return server_list(toy.app.conf.broker_consumer, 9092)
