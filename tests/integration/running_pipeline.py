"""The whole pipeline as its users run it, `telltale run`, and what an outsider needs to feed and read it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.integration.command_line import PSEUDONYM_KEY

SCHEMAS = Path(__file__).parents[2] / "schemas"


class RunningPipeline:
    """A `telltale run` process; its workers are found by what they log."""

    def __init__(self, brokers: str, database: str, log: Path, prefix: str = "", partitions: int = 4) -> None:
        self.brokers = brokers
        self.database = database
        self.log = log
        self.environment = {
            **os.environ,
            "TELLTALE_BROKERS": brokers,
            "TELLTALE_DATABASE_URL": database,
            "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
            "TELLTALE_PARTITIONS": str(partitions),
            "TELLTALE_TICK_SECONDS": "0.5",
            "TELLTALE_SESSION_SECONDS": "6",
            "TELLTALE_TOPIC_PREFIX": prefix,
        }

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one `telltale` command, its output at the end of the log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", *words], env=self.environment, stdout=log, stderr=log
            )

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What Postgres answers; nothing while the tables are not there yet."""
        try:
            with psycopg.connect(self.database.replace("+psycopg", "")) as connection:
                return connection.execute(query, parameters).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


@contextmanager
def running(pipeline: RunningPipeline) -> Iterator[RunningPipeline]:
    """`telltale run` for the length of the block; it must end by itself after SIGTERM."""
    process = pipeline.start("run")
    try:
        yield pipeline
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        print(pipeline.log.read_text()[-20_000:])  # noqa: T201 - pytest shows it when the test fails
    assert code == 0


class Outsider:
    """
    A client that knows the schema files and confluent-kafka's own Avro classes, and nothing of this package.
    """

    def __init__(self, brokers: str, prefix: str = "") -> None:
        self.brokers = brokers
        self._prefix = prefix
        self._producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
        # The ids of registry.yaml in a registry of its own: registered in order, they count up from 1 alike.
        self._registry = SchemaRegistryClient.new_client({"url": "mock://outsider"})
        self._subjects: dict[str, str] = {}
        self._serializers: dict[str, AvroSerializer] = {}
        for line in (SCHEMAS / "registry.yaml").read_text().splitlines():
            if line.startswith("- "):
                words = dict(part.split(": ") for part in line[3:-1].split(", "))
                schema = (SCHEMAS / words["file"]).read_text().strip()
                assert self._registry.register_schema(words["subject"], Schema(schema, "AVRO")) == int(
                    words["id"]
                )
                self._subjects[words["subject"].removesuffix("-value")] = schema
        self._settings = {"auto.register.schemas": False, "subject.name.strategy.type": "TOPIC"}

    def send(self, topic: str, value: Mapping[str, Any] | bytes | None, key: str | None = None) -> None:
        """Produce one event, serialised by AvroSerializer, or bytes as they are."""
        if isinstance(value, Mapping):
            if topic not in self._serializers:
                schema = self._subjects[topic]
                self._serializers[topic] = AvroSerializer(self._registry, schema, conf=self._settings)
            value = self._serializers[topic](dict(value), SerializationContext(topic, MessageField.VALUE))
        self._producer.produce(self._prefix + topic, key=key, value=value)

    def flush(self) -> None:
        """Wait for the acknowledgements."""
        assert self._producer.flush(30) == 0

    def read(self, topic: str) -> list[tuple[str, dict[str, Any]]]:
        """Every key and value in *topic*, deserialised by AvroDeserializer."""
        deserializer = AvroDeserializer(self._registry)
        context = SerializationContext(topic, MessageField.VALUE)
        return [(m.key().decode(), deserializer(m.value(), context)) for m in self.messages(topic)]

    def messages(self, topic: str) -> list[Any]:
        """Every message in *topic*, partition by partition."""
        topic = self._prefix + topic
        consumer = Consumer(
            {"bootstrap.servers": self.brokers, "group.id": "outsider", "enable.auto.commit": False}
        )
        found = []
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            consumer.assign([TopicPartition(topic, number, first)])
            left = end - first
            while left > 0:
                batch = consumer.consume(left, timeout=10)
                found += [message for message in batch if not message.error()]
                left -= len(batch)
        consumer.close()
        return found


def now_ms() -> int:
    """The wall clock, ms UTC."""
    return int(time.time() * 1000)
