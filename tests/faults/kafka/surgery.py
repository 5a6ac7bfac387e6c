"""
What accidents and operators do to topics: delete them, cut them, recreate them, write into them by hand.
"""

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public by its documentation, not by __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from pipeline.kafka.records import Record, offsets, read_topic

_SECONDS = 30.0


class Surgeon:
    """Operates on the topics of one broker."""

    def __init__(self, brokers: str) -> None:
        self._client: dict[str, Any] = {"bootstrap.servers": brokers, "log_level": 0}
        self._admin = AdminClient(self._client)

    def delete(self, topic: str) -> None:
        """Delete *topic*, and wait until it is gone."""
        self._admin.delete_topics([topic], operation_timeout=_SECONDS)[topic].result(_SECONDS)
        deadline = time.monotonic() + _SECONDS
        while topic in self._admin.list_topics(timeout=_SECONDS).topics:
            assert time.monotonic() < deadline, f"{topic} is still there"
            time.sleep(0.1)

    def create(self, topic: str, partitions: int, **settings: str) -> None:
        """Make *topic*; dots in the names of *settings* are underscores."""
        config = {name.replace("_", "."): value for name, value in settings.items()}
        deadline = time.monotonic() + _SECONDS
        while True:
            new = NewTopic(topic, num_partitions=partitions, config=config)
            try:
                self._admin.create_topics([new])[topic].result(_SECONDS)
            except KafkaException:  # A topic of that name is still being deleted.
                assert time.monotonic() < deadline, f"{topic} cannot be made"
                time.sleep(0.2)
            else:
                return

    def set(self, topic: str, name: str, value: str) -> None:
        """Change one setting of *topic*."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self._admin.incremental_alter_configs([resource])[resource].result(_SECONDS)

    def cut_in_half(self, topic: str) -> int:
        """
        Take away the older half of every partition, as a wrong retention would; returns how many records.
        """
        cleanup = "cleanup.policy"
        # A topic that is only compacted takes no request to delete records.
        self.set(topic, cleanup, "compact,delete")
        middle = {place: (first + end) // 2 for place, (first, end) in offsets(self._client, [topic]).items()}
        cuts = [TopicPartition(name, number, offset) for (name, number), offset in middle.items()]
        for done in self._admin.delete_records(cuts).values():
            done.result(_SECONDS)
        self.set(topic, cleanup, "compact")
        return sum(middle.values())

    def records(self, topic: str) -> list[Record]:
        """Every record of *topic*, partition by partition."""
        return sorted(read_topic(self._client, topic), key=lambda record: (record.partition, record.offset))

    def append(self, records: Iterable[Record]) -> None:
        """Append *records* where they came from, once more."""
        producer = Producer(self._client)
        for record in records:
            producer.produce(record.topic, record.value, record.key, record.partition)
        assert producer.flush(_SECONDS) == 0
