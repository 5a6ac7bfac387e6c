"""
Apache Kafka runs from Maven's jars, survives being killed, and says what is missing where it cannot run.
"""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pipeline.embedded import kafka_local
from pipeline.embedded.kafka_local import KafkaFailed, LocalKafka, kafka_unavailable


@pytest.mark.kafka
def test_it_keeps_its_records_through_a_kill_and_a_stop(kafka: LocalKafka) -> None:
    """
    What was acknowledged before kill -9 is read after it, at the same address; so after an orderly stop.
    """
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic("kept", num_partitions=1)])["kept"].result(timeout=20)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all"})
    producer.produce("kept", key=b"key", value=b"value")
    assert producer.flush(20) == 0

    for end in (kafka.kill, kafka.stop):
        end()
        assert not kafka.running
        kafka.start()

        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused"})
        consumer.assign([TopicPartition("kept", 0, 0)])
        message = consumer.poll(20)
        consumer.close()
        assert message is not None
        assert message.value() == b"value"


@pytest.mark.kafka
def test_topics_are_not_made_by_accident(kafka: LocalKafka) -> None:
    """A misspelt name fails, as it would in production."""
    metadata = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics("misspelt", timeout=10)

    assert str(metadata.topics["misspelt"].error) != "None"


@pytest.mark.kafka
def test_a_port_that_is_taken_is_named(kafka: LocalKafka, tmp_path: Path) -> None:
    """Before a JVM is started for nothing."""
    with pytest.raises(KafkaFailed, match=f"{kafka.bootstrap} is taken"):
        LocalKafka(tmp_path, port=kafka.port).start()


def test_a_machine_without_java_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reason that tests skip with is also the hint of the error."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "Java 17 or newer is needed, none found: install a JDK" in str(kafka_unavailable())
    with pytest.raises(KafkaFailed) as failed:
        LocalKafka(tmp_path).start()
    assert failed.value.hint == kafka_unavailable()


def test_an_old_java_is_told_by_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine often has one, only not the right one."""
    _program(tmp_path / "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert "found 11" in str(kafka_unavailable())


def test_a_machine_without_maven_is_told_so_while_jars_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Maven is needed for the first start only."""
    _program(tmp_path / "java", """echo 'openjdk version "17.0.1" 2021-10-19' >&2""")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kafka_local, "_LIBRARIES", tmp_path / "libs")
    assert "Maven is needed once" in str(kafka_unavailable())

    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "pom.xml").write_bytes((kafka_local._DEPLOY / "pom.xml").read_bytes())

    assert kafka_unavailable() is None


def test_an_installed_package_is_told_to_use_a_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The pom and the settings are not in the wheel."""
    monkeypatch.setattr(kafka_local, "_DEPLOY", tmp_path / "kafka-local")

    assert "from a checkout" in str(kafka_unavailable())


def test_what_maven_says_is_in_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A proxy or a mirror that is missing shows in its words; half a folder of jars is not left."""
    _program(tmp_path / "java", """echo 'openjdk version "17.0.1" 2021-10-19' >&2""")
    _program(tmp_path / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(kafka_local, "_RUN", tmp_path / "run")
    monkeypatch.setattr(kafka_local, "_LIBRARIES", tmp_path / "run" / "libs")

    with pytest.raises(KafkaFailed, match="Could not transfer artifact"):
        LocalKafka(tmp_path / "kafka").start()

    assert list((tmp_path / "run").iterdir()) == []


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
