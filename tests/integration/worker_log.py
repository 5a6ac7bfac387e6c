"""The account log on an embedded broker as tests write and read it, and what must follow from it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.health.events import LogEntry
from pipeline.health.fold import PartitionFold
from pipeline.kafka.records import Record, read_topic
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import OutputEncoder
from pipeline.wire.position import POSITION_SIZE
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import encode_account, position_of

CONTRACT = Contract.load()
REGISTRY = EmbeddedRegistry(CONTRACT)
PARTITIONS = 4
CODEC = LogCodec(CONTRACT, REGISTRY)


class AccountLog:
    """Reads and writes the log, and every other topic of the broker at *bootstrap*."""

    def __init__(self, bootstrap: str) -> None:
        self.client: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._producer = Producer(self.client | {"enable.idempotence": True, "message.max.bytes": 2_000_000})
        known = self._producer.list_topics(timeout=10).topics
        for topic in (*CONTRACT.topics, "telltale-health-state-changelog"):
            if topic not in known:
                self._producer.list_topics(topic, timeout=10)  # makes it

    def append(self, entries: Iterable[tuple[str, LogEntry]], partition: int | None = None) -> None:
        """Append entries under their accounts; those without one to *partition*, or to all."""
        for account_id, entry in entries:
            value = CODEC.encode(entry)
            if account_id:
                numbers: Sequence[int] = [partition_of(account_id)]
            else:
                numbers = range(PARTITIONS) if partition is None else [partition]
            for number in numbers:
                self._producer.produce(CONTRACT.log.name, value, account_id.encode(), number)
        self.flush()

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int = 0,
        *,
        timestamp: int = 0,
    ) -> None:
        """Hand one record over, stamped *timestamp* (ms UTC) or the present; `flush` waits for it."""
        self._producer.produce(topic, value, key, partition, timestamp=timestamp)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def read(self, topic: str) -> list[Record]:
        """Every record of *topic*, partition by partition."""
        return sorted(read_topic(self.client, topic), key=lambda record: (record.partition, record.offset))

    def entries(self) -> dict[int, list[tuple[str, LogEntry]]]:
        """The log by partition."""
        log: dict[int, list[tuple[str, LogEntry]]] = defaultdict(list)
        for record in self.read(CONTRACT.log.name):
            key, value = key_and_value(record)
            log[record.partition].append((key.decode(), CODEC.decode(value)))
        return log

    def all_committed(self, group: str, topics: Sequence[str]) -> bool:
        """Whether *group* has committed all that is in *topics*."""
        consumer = Consumer(self.client | {"group.id": group, "enable.auto.commit": False})
        try:
            tps = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
            ends = [consumer.get_watermark_offsets(tp, timeout=5)[1] for tp in tps]
            committed = [max(0, tp.offset) for tp in consumer.committed(tps, timeout=5)]
        finally:
            consumer.close()
        return committed == ends


def key_and_value(record: Record) -> tuple[bytes, bytes]:
    """Both of a record that must have both."""
    assert record.key is not None, record
    assert record.value is not None, record
    return record.key, record.value


def partition_of(account_id: str) -> int:
    """A partition that is always the same for an account; any will do for the health worker."""
    return sum(account_id.encode()) % PARTITIONS


class Undisturbed:
    """
    What folding one partition's entries at one go makes: outputs by topic, and states without their
    positions.
    """

    def __init__(self, partition: int, entries: Iterable[tuple[str, LogEntry]]) -> None:
        encode = OutputEncoder(CONTRACT, REGISTRY).encode
        self.fold = PartitionFold(partition, read_documents)
        self.outputs: dict[str, list[tuple[bytes, bytes]]] = defaultdict(list)
        for offset, (account_id, entry) in enumerate(entries):
            self.fold.take(account_id, entry, offset)
            for output_of, output in self.fold.take_step().outputs:
                topic, value = encode(output)
                self.outputs[topic].append((output_of.encode(), value))

    @property
    def states(self) -> dict[bytes, bytes]:
        """Each account's state as the changelog has it, but for the position."""
        position = position_of(self.fold)
        return {
            account_id.encode(): encode_account(position, state)[POSITION_SIZE:]
            for account_id, state in self.fold.states.items()
        }
