"""
The sink on Apache Kafka, for what the embedded broker cannot do: topic ids, and a group that gives up on a
member.
"""

import signal
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.embedded.kafka_local import LocalKafka
from pipeline.kafka.client import client_configuration
from pipeline.kafka.topics import TopicPlan, apply_topics
from pipeline.settings import Security
from sinks.consumer.topic_reader import PositionLost
from sinks.postgres import migrations
from sinks.postgres.group import GROUP
from sinks.postgres.repair import sink_repair
from sinks.target import TopicRecreated
from tests.integration.postgres_sink_parts import CONTRACT, alert, change, rows, run_sql, snapshot, value
from tests.integration.postgres_sink_running import LEAST_SESSION_SECONDS, produce, sink_process, sink_thread

pytestmark = pytest.mark.kafka

Eventually = Callable[..., None]


def make_topics(kafka: LocalKafka, prefix: str) -> list[str]:
    names = [prefix + topic.name for topic in CONTRACT.outputs]
    plans = [TopicPlan(name=name, partitions=4, settings={}) for name in names]
    apply_topics(client_configuration(kafka.bootstrap, Security()), plans, replication_factor=1)
    return names


@pytest.fixture
def prefix(kafka: LocalKafka) -> Iterator[str]:
    """Names of this test's own, and its three topics."""
    name = f"{uuid4().hex}."
    topics = make_topics(kafka, name)
    yield name
    delete(kafka, topics)


def delete(kafka: LocalKafka, topics: list[str]) -> None:
    admin = AdminClient(client_configuration(kafka.bootstrap, Security()))
    for deleted in admin.delete_topics(topics).values():
        deleted.result()


def test_a_topic_recreated_is_noticed_by_its_id(
    kafka: LocalKafka, postgres: str, prefix: str, eventually: Eventually
) -> None:
    """
    Its offsets are there, so only the id tells that they are others: the sink stops instead of leaving them
    out.
    """
    migrations.upgrade(postgres)
    produce(kafka.bootstrap, [snapshot(version=version) for version in range(1, 4)], prefix=prefix)
    with sink_thread(kafka.bootstrap, postgres, prefix=prefix, session_seconds=LEAST_SESSION_SECONDS):
        eventually(lambda: rows(postgres, "SELECT * FROM account"))
    delete(kafka, [prefix + CONTRACT.current.name])
    make_topics(kafka, prefix)
    produce(kafka.bootstrap, [snapshot(version=version) for version in range(1, 6)], prefix=prefix)

    with (
        pytest.raises(TopicRecreated),
        sink_thread(
            kafka.bootstrap, postgres, prefix=prefix, session_seconds=LEAST_SESSION_SECONDS
        ) as readiness,
    ):
        eventually(lambda: readiness()[1] == "ended")

    with sink_repair(postgres, group=prefix + GROUP) as repair:
        repair.rewind(prefix + CONTRACT.current.name)
    with sink_thread(kafka.bootstrap, postgres, prefix=prefix, session_seconds=LEAST_SESSION_SECONDS):
        eventually(lambda: rows(postgres, "SELECT version FROM account") == [(5,)])


def test_a_backup_older_than_the_topic_is_told_and_mended_by_rewinding(
    kafka: LocalKafka, postgres: str, prefix: str, eventually: Eventually
) -> None:
    """
    What the backup lacks was deleted from the topic: the sink stops rather than leave a hole, and says what
    to do.
    """
    migrations.upgrade(postgres)
    changes = [change(version=version) for version in range(1, 6)]
    produce(kafka.bootstrap, changes, prefix=prefix)
    with sink_thread(kafka.bootstrap, postgres, prefix=prefix, session_seconds=LEAST_SESSION_SECONDS):
        eventually(lambda: value(postgres, "SELECT count(*) FROM health_change") == 5)
    run_sql(
        postgres, "DELETE FROM health_change; UPDATE sink_offset SET next_offset = 1 WHERE next_offset = 5"
    )
    [topic, number] = rows(postgres, "SELECT topic, partition FROM sink_offset WHERE next_offset = 1")[0]
    admin = AdminClient(client_configuration(kafka.bootstrap, Security()))
    for deleted in admin.delete_records([TopicPartition(topic, number, 3)]).values():
        deleted.result()

    with (
        pytest.raises(PositionLost, match="up to offset 1, and the topic has 3 to 5") as lost,
        sink_thread(
            kafka.bootstrap, postgres, prefix=prefix, session_seconds=LEAST_SESSION_SECONDS
        ) as readiness,
    ):
        eventually(lambda: readiness()[1] == "ended")
    with sink_repair(postgres, group=prefix + GROUP) as repair:
        repair.rewind(topic)
    with sink_thread(kafka.bootstrap, postgres, prefix=prefix, session_seconds=LEAST_SESSION_SECONDS):
        eventually(lambda: rows(postgres, "SELECT version FROM health_change ORDER BY 1") == [(4,), (5,)])

    assert f"telltale sink rewind {topic}" in lost.value.hint


def test_a_sink_that_freezes_in_a_transaction_loses_it_to_its_heir(
    kafka: LocalKafka, postgres: str, eventually: Eventually
) -> None:
    """
    Postgres ends the frozen transaction, the group gives the partitions away, and who wakes up stores nothing
    twice.

    ``frozen  |-- 1 --|-- 2 --           …            |- awake -|``
    ``heir                  |-- joins, claims --|-- 2 --|-- 3 --|``
    """
    make_topics(kafka, "")
    migrations.upgrade(postgres)
    run_sql(
        postgres,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;"
        "CREATE TRIGGER slow AFTER UPDATE ON sink_offset FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )
    names = [f"account-{n}" for n in range(40)]
    outputs = [
        output
        for version in range(1, 41)
        for name in names
        for output in (change(name, version=version), snapshot(name, version=version))
    ] + [alert(name, account_id=name) for name in names]
    produce(kafka.bootstrap, outputs)
    everything = "SELECT coalesce(sum(next_offset), 0) FROM sink_offset"

    with sink_process(kafka.bootstrap, postgres, session_seconds=LEAST_SESSION_SECONDS) as frozen:
        eventually(lambda: value(postgres, everything), 60)
        eventually(
            lambda: value(postgres, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        )
        frozen.send_signal(signal.SIGSTOP)
        assert value(postgres, everything) < len(outputs)
        with sink_process(kafka.bootstrap, postgres, session_seconds=LEAST_SESSION_SECONDS):
            eventually(lambda: value(postgres, everything) == len(outputs), 60)
            frozen.send_signal(signal.SIGCONT)
            claims = "SELECT max(owner_epoch) FROM sink_offset"
            before = value(postgres, claims)
            # It stops, fenced, or comes back to the group and gets a share: both need its old claim to be
            # given up.
            eventually(lambda: frozen.poll() is not None or value(postgres, claims) > before, 60)

    assert value(postgres, everything) == len(outputs)
    assert value(postgres, "SELECT count(*) FROM health_change") == 1600
    assert rows(postgres, "SELECT version, count(*) FROM health_snapshot GROUP BY 1") == [(40, 40)]
