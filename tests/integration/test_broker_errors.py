"""
Errors that a broker answers with: a reader waits out those that pass, and ends at the others.

``KafkaError.retriable()`` tells the two apart for a producer's transactions only; of what a reader is handed,
it is false.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from structlog.testing import capture_logs

from pipeline.kafka.client import KafkaFailed, is_passing
from pipeline.kafka.records import follow_topic, group_lag, read_topic
from sinks.consumer.consumer import SinkConsumer
from sinks.consumer.readiness import Readiness
from tests.integration.failing_broker import FETCH, FIND_COORDINATOR, JOIN_GROUP, LIST_OFFSETS, FailingBroker
from tests.integration.postgres_sink_parts import CHANGE, change, encoded, until
from tests.integration.target_in_memory import MemoryStore

RECORDS = 20
CORRUPT, REFUSED, NEW_TOPIC_ID = KafkaError.INVALID_MSG, KafkaError.TOPIC_AUTHORIZATION_FAILED, 103

PASSING = {
    "fetch: unknown": (FETCH, KafkaError.UNKNOWN),
    "fetch: corrupt on this replica": (FETCH, CORRUPT),
    "fetch: timed out": (FETCH, KafkaError.REQUEST_TIMED_OUT),
    "fetch: broker lost another": (FETCH, KafkaError.NETWORK_EXCEPTION),
    "fetch: metadata old": (FETCH, NEW_TOPIC_ID),
    "fetch: leader moved": (FETCH, KafkaError.NOT_LEADER_FOR_PARTITION),
    "fetch: disk failed": (FETCH, KafkaError.KAFKA_STORAGE_ERROR),
    "offsets: unknown": (LIST_OFFSETS, KafkaError.UNKNOWN),
    "coordinator: unknown": (FIND_COORDINATOR, KafkaError.UNKNOWN),
    "coordinator: loading": (FIND_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS),
    "join: unknown": (JOIN_GROUP, KafkaError.UNKNOWN),
}
LASTING = {
    "fetch: not allowed": (FETCH, REFUSED),
    "fetch: compression unknown": (FETCH, KafkaError.UNSUPPORTED_COMPRESSION_TYPE),
    "coordinator: not allowed": (FIND_COORDINATOR, KafkaError.GROUP_AUTHORIZATION_FAILED),
    "join: not allowed": (JOIN_GROUP, KafkaError.GROUP_AUTHORIZATION_FAILED),
}


@pytest.fixture
def broker() -> Iterator[FailingBroker]:
    """A broker with some changes in partition 0."""
    with FailingBroker() as running:
        running.produce(CHANGE, [encoded(change(version=n + 1))[1] for n in range(RECORDS)])
        yield running


@contextmanager
def sink(broker: FailingBroker, store: MemoryStore, readiness: Readiness) -> Iterator[Future[None]]:
    """A sink that reads the changes, until the end of the block."""
    consumer = SinkConsumer(
        store.member(),
        brokers=broker.bootstrap,
        group="sink",
        topics=[CHANGE],
        security={},
        session_seconds=6.0,
        readiness=readiness,
    )
    stop = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(consumer.run, stop)
        try:
            yield running
        finally:
            stop.set()


def read_all(store: MemoryStore) -> bool:
    return len(store.stored()) == RECORDS


@pytest.mark.parametrize(("request_type", "code"), PASSING.values(), ids=PASSING)
def test_a_sink_outlives_an_error_that_passes(broker: FailingBroker, request_type: int, code: int) -> None:
    """And stores every record behind it, none twice."""
    store = MemoryStore()
    broker.answer_with(request_type, code, code)

    with sink(broker, store, Readiness()) as running:
        until(lambda: read_all(store) or running.done(), what="all records to be stored")

    running.result()
    assert store.stored() == [("alder", n + 1) for n in range(RECORDS)]


@pytest.mark.parametrize(("request_type", "code"), LASTING.values(), ids=LASTING)
def test_a_sink_ends_at_an_error_that_lasts(broker: FailingBroker, request_type: int, code: int) -> None:
    """A restart meets it again: somebody has to grant a right, or to change a topic."""
    broker.answer_with(request_type, *[code] * 20)

    with sink(broker, MemoryStore(), Readiness()) as running:
        until(running.done, what="the sink to end")

    with pytest.raises(KafkaFailed, match="reading"):
        running.result()


def test_a_sink_that_cannot_read_is_not_ready_and_says_why(broker: FailingBroker) -> None:
    """Until it can again."""
    store, readiness = MemoryStore(), Readiness()

    with capture_logs() as lines, sink(broker, store, readiness) as running:
        until(lambda: readiness()[0], what="the sink to be ready")
        broker.answer_with(FETCH, *[NEW_TOPIC_ID] * 4)
        until(lambda: not readiness()[0], what="the sink to be not ready")
        told = readiness()[1]
        until(lambda: readiness()[0] or running.done(), what="the sink to be ready again")

    running.result()
    assert told.startswith("reading fails: Fetch from broker")
    assert "sink.read_failed" in [line["event"] for line in lines]


def test_a_topic_is_read_to_its_end_past_an_error_that_passes(broker: FailingBroker) -> None:
    """As commands read it: each record once."""
    broker.answer_with(FETCH, CORRUPT, NEW_TOPIC_ID)

    offsets = [record.offset for record in read_topic({"bootstrap.servers": broker.bootstrap}, CHANGE)]

    assert offsets == list(range(RECORDS))


def test_the_ends_of_a_topic_are_asked_again_where_the_error_passes(broker: FailingBroker) -> None:
    """A broker that has just started does not know them yet."""
    broker.answer_with(LIST_OFFSETS, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.REQUEST_TIMED_OUT)

    read = list(read_topic({"bootstrap.servers": broker.bootstrap}, CHANGE))

    assert len(read) == RECORDS


def test_an_error_that_lasts_ends_the_reading_of_a_topic(broker: FailingBroker) -> None:
    """Also of one that is followed, which would otherwise be silent for ever."""
    client = {"bootstrap.servers": broker.bootstrap, "log_level": 0}
    broker.answer_with(FETCH, REFUSED)
    with pytest.raises(KafkaFailed, match="authorization"):
        list(read_topic(client, CHANGE))

    broker.answer_with(FETCH, *[REFUSED] * 4)
    with pytest.raises(KafkaFailed, match="authorization"):
        list(follow_topic(client, CHANGE, lambda: False))


def test_a_group_whose_commits_cannot_be_read_is_not_taken_for_new(broker: FailingBroker) -> None:
    """The answer has an error for each partition, and no offset."""
    offset_fetch = 9
    broker.answer_with(offset_fetch, *[KafkaError.GROUP_AUTHORIZATION_FAILED] * 4)

    with pytest.raises(KafkaFailed):
        group_lag({"bootstrap.servers": broker.bootstrap, "log_level": 0}, "sink", [CHANGE])


def test_the_client_itself_does_not_tell_which_errors_pass(broker: FailingBroker) -> None:
    """Why the list is ours; should this fail after an upgrade, the client's answer may be used."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "look", "log_level": 0})
    broker.answer_with(FETCH, *[KafkaError.REQUEST_TIMED_OUT] * 4)
    consumer.assign([TopicPartition(CHANGE, 0, 0)])
    errors: list[KafkaError] = []

    def meets_one() -> bool:
        message = consumer.poll(0.1)
        error = None if message is None else message.error()
        errors.extend([] if error is None else [error])
        return bool(errors)

    until(meets_one, what="the error")
    consumer.close()
    assert (errors[0].retriable(), is_passing(errors[0])) == (False, True)
