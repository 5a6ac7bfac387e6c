"""``telltale topics apply`` against the embedded broker and, marked so, against Apache Kafka."""

import pytest

from pipeline.embedded.kafka_local import LocalKafka
from pipeline.kafka.topics import TopicPlan, apply_topics, inspect_topics, topic_ids
from tests.integration.command_line import Telltale


def test_topics_are_made_once_and_found_as_declared(broker: str) -> None:
    """The first call makes all 17, the second finds them."""
    telltale = Telltale(brokers=broker)

    first, second = telltale("topics", "apply"), telltale("topics", "apply")

    assert (first.code, second.code) == (0, 0)
    assert {line.split()[0] for line in first.out.splitlines()} == {"created"}
    assert {line.split()[0] for line in second.out.splitlines()} == {"present"}
    assert len(second.out.splitlines()) == 17
    assert "the embedded broker has no topic settings" in second.err


def test_another_partition_count_fails_with_the_hint(broker: str) -> None:
    """
    With twelve in the settings and four on the broker, accounts would be looked for in the wrong places.
    """
    answer = Telltale(brokers=broker)("topics", "apply", TELLTALE_PARTITIONS="12")

    assert answer.code == 1
    assert "created  health.account-log.v1  (4 partitions, not 12)" in answer.out
    error, hint = answer.err.splitlines()[-2:]
    assert error == "error: topics that are not as declared: 5"
    assert hint.startswith("hint: TELLTALE_PARTITIONS is 12 and must be the count the log was made with")


def test_a_broker_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers: the address, the reason and the settings to look at."""
    monkeypatch.setattr("pipeline.kafka.client.WAIT_SECONDS", 0.5)

    answer = Telltale(brokers="127.0.0.1:1")("topics", "apply")

    assert answer.code == 1
    assert "error: no Kafka broker answers at 127.0.0.1:1" in answer.err
    assert "hint: Start it, or correct TELLTALE_BROKERS" in answer.err


@pytest.mark.kafka
def test_a_real_broker_gets_every_setting_and_differences_are_named(kafka: LocalKafka) -> None:
    """
    Partitions, retention and compaction arrive; what was made otherwise before is reported and left as it is.
    """
    telltale = Telltale(brokers=kafka.bootstrap, prefix="differs.")
    login = "differs.customer.login.v1"
    own = TopicPlan(name=login, partitions=2, settings={"retention.ms": "1000"})
    apply_topics(telltale.client, [own], replication_factor=1)

    first, second = telltale("topics", "apply"), telltale("topics", "apply")

    assert (first.code, second.code) == (0, 0)
    assert "or leave them if they are meant" in second.err
    differing = [line for line in second.out.splitlines() if "(" in line]
    assert len(differing) == 1
    assert "retention.ms is 1000, not 604800000" in differing[0]
    (found,) = inspect_topics(telltale.client, [own])
    assert found.differences == ()
    assert set(topic_ids(telltale.client, [login])) == {login}


@pytest.mark.kafka
def test_more_copies_than_brokers_is_an_error_with_the_setting(kafka: LocalKafka) -> None:
    """The commonest first error on a single broker."""
    telltale = Telltale(brokers=kafka.bootstrap, prefix="copies.")

    answer = telltale("topics", "apply", TELLTALE_REPLICATION_FACTOR="3")

    assert answer.code == 1
    assert "hint: Set TELLTALE_REPLICATION_FACTOR to at most the number of brokers." in answer.err
