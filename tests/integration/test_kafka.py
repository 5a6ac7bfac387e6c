"""Topics, reading, appending and lag, against the embedded broker."""

from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.kafka.client import (
    BrokerUnreachable,
    Configuration,
    KafkaFailed,
    client_configuration,
    is_embedded,
    wait_for_broker,
)
from pipeline.kafka.records import Appender, group_lag, offsets, partitions_of, read_topic
from pipeline.kafka.topics import TopicPlan, apply_topics, inspect_topics, topic_ids
from pipeline.settings import Security


@pytest.fixture
def client(broker: str) -> Configuration:
    return client_configuration(broker, Security())


def plan(name: str, partitions: int | None = None, **settings: str) -> TopicPlan:
    return TopicPlan(name=name, partitions=partitions, settings=settings)


def test_the_embedded_broker_is_recognised(client: Configuration) -> None:
    """
    Its limits (no admin requests, 5 MB a partition) are handled by asking this, so a new librdkafka must
    still say so.
    """
    assert is_embedded(client)


def test_missing_topics_are_made_and_said_to_be(client: Configuration) -> None:
    """A topic is missing before, created by the first call, present for the second."""
    plans = [plan("a.v1"), plan("b.v1", 4)]

    before = [finding.state for finding in inspect_topics(client, plans)]
    first = [finding.state for finding in apply_topics(client, plans)]
    second = [finding.state for finding in apply_topics(client, plans)]

    assert before == ["missing", "missing"]
    assert first == ["created", "created"]
    assert second == ["present", "present"]


def test_looking_for_topics_does_not_make_them(client: Configuration) -> None:
    """
    Brokers make topics that are asked for by name; a check must not leave topics with the wrong partitions
    behind.
    """
    inspect_topics(client, [plan("a.v1")])

    assert inspect_topics(client, [plan("a.v1")])[0].state == "missing"
    with pytest.raises(KafkaFailed, match=r"there is no topic a\.v1"):
        partitions_of(client, "a.v1")


def test_a_topic_with_another_partition_count_is_reported(client: Configuration) -> None:
    """Partitions decide where an account is, so a wrong count is named with both numbers."""
    (finding,) = apply_topics(client, [plan("log.v1", 12)])

    assert finding.differences == ("4 partitions, not 12",)
    assert finding.has_other_partition_count


def test_the_embedded_broker_has_no_topic_ids(client: Configuration) -> None:
    """It cannot describe topics; asking it costs no time-out."""
    assert topic_ids(client, ["a.v1"]) == {}


def test_everything_appended_is_read_in_the_order_of_its_partition(client: Configuration) -> None:
    """5,000 records over four partitions come back once each, with key, value and headers."""
    apply_topics(client, [plan("a.v1")])
    with Appender(client) as appender:
        for number in range(5000):
            appender.append("a.v1", f"k{number % 7}".encode(), str(number).encode(), headers=[("n", b"1")])

    records = list(read_topic(client, "a.v1"))

    assert sorted(int(record.value or b"") for record in records) == list(range(5000))
    assert all(record.headers == [("n", b"1")] for record in records)
    for partition in range(4):
        read = [record.offset for record in records if record.partition == partition]
        assert read == list(range(len(read)))


def test_an_empty_topic_is_read_at_once(client: Configuration) -> None:
    """Nothing to read is an answer, not a time-out."""
    apply_topics(client, [plan("a.v1")])

    assert list(read_topic(client, "a.v1")) == []


def test_the_newest_records_and_chosen_starts_are_read_alone(client: Configuration) -> None:
    """*newest* counts from each partition's end; *start* restricts the reading to its partitions."""
    apply_topics(client, [plan("a.v1")])
    with Appender(client) as appender:
        for number in range(20):
            appender.append("a.v1", None, b"", partition=number % 2)

    #  partition 0  0 . . . . . . . . 9      newest=3: 7 8 9
    #  partition 1  0 . . . . . . . . 9      start 6:  6 7 8 9
    assert sorted((r.partition, r.offset) for r in read_topic(client, "a.v1", newest=3)) == [
        (p, o) for p in (0, 1) for o in (7, 8, 9)
    ]
    assert [(r.partition, r.offset) for r in read_topic(client, "a.v1", start={1: 6})] == [
        (1, o) for o in (6, 7, 8, 9)
    ]


def test_what_retention_removes_while_reading_is_an_error(
    client: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever compares or replays must not take a part of a topic for the whole."""
    apply_topics(client, [plan("a.v1")])

    def then_much_is_appended(*asked: Any) -> dict[tuple[str, int], tuple[int, int]]:
        found = offsets(*asked)
        with Appender(client) as appender:
            for _ in range(8):
                appender.append("a.v1", b"k", bytes(900_000), partition=0)
        return found

    with Appender(client) as appender:
        appender.append("a.v1", b"k", bytes(900_000), partition=0)
    monkeypatch.setattr("pipeline.kafka.records.offsets", then_much_is_appended)

    with pytest.raises(KafkaFailed, match=r"a\.v1\[0\]: retention removed records") as failed:
        list(read_topic(client, "a.v1"))

    assert failed.value.hint == "Try again."


def test_what_is_appended_while_reading_is_not_waited_for(client: Configuration) -> None:
    """The end is fixed when the reading begins, or a busy topic would be read for ever."""
    apply_topics(client, [plan("a.v1")])
    with Appender(client) as appender:
        appender.append("a.v1", None, b"before", partition=0)
        appender.flush()

        reading = read_topic(client, "a.v1")
        first = next(reading)
        appender.append("a.v1", None, b"after", partition=0)

    assert first.value == b"before"
    assert list(reading) == []


def test_a_record_that_cannot_be_delivered_is_an_error(client: Configuration) -> None:
    """A partition that does not exist takes nothing, and the with-block says so."""
    apply_topics(client, [plan("a.v1")])

    with pytest.raises(KafkaFailed, match="did not take a record"), Appender(client) as appender:
        appender.append("a.v1", None, b"", partition=9)


def test_lag_counts_what_a_group_has_not_committed(client: Configuration) -> None:
    """A group that never committed is behind by all there is, one that did by the rest."""
    apply_topics(client, [plan("a.v1")])
    with Appender(client) as appender:
        for number in range(10):
            appender.append("a.v1", None, b"", partition=number % 2)
    consumer = Consumer({**client, "group.id": "readers"})
    consumer.commit(offsets=[TopicPartition("a.v1", 0, 3)], asynchronous=False)
    consumer.close()

    lags = {lag.partition: lag for lag in group_lag(client, "readers", ["a.v1"])}

    assert (lags[0].committed, lags[0].records) == (3, 2)
    assert (lags[1].committed, lags[1].records) == (None, 5)
    assert (lags[2].committed, lags[2].records) == (None, 0)
    assert offsets(client, ["a.v1"])["a.v1", 0] == (0, 5)


def test_waiting_for_a_broker_that_is_not_there_ends_with_the_hint() -> None:
    """It says once that it waits and why, then names the address and the settings."""
    client = client_configuration("127.0.0.1:1", Security())
    said: list[str] = []

    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1") as failure:
        wait_for_broker(client, timeout_seconds=0.5, say=said.append)

    assert "TELLTALE_BROKERS" in failure.value.hint
    assert len(said) == 1
    assert "Connection refused" in said[0]
