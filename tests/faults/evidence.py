"""
What the pipeline left behind, read at rest: topics by fastavro and the schema files, states by the product's
decoder.

Reading the product's states with its own codec is fair, for nothing is computed there; what they should hold
is computed by ``naive``.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pipeline.health.fold import PartitionFold
from pipeline.kafka.records import Record, read_topic
from pipeline.scorecards import read_documents
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD, take_epoch, unpack_position
from pipeline.wire.state import decode_fold
from tests.faults.generator import TOPICS
from tests.faults.ground_truth import NUMBER_HEADER
from tests.faults.outside_avro import OutsideAvro

LOG, CHANGELOG = "health.account-log.v1", "telltale-health-state-changelog"
CHANGE, CURRENT, ALERT = "health.change.v1", "health.current.v1", "health.alert.v1"

_KINDS: Final = {
    "ResolvedLogin": "login",
    "ResolvedTicket": "ticket",
    "ResolvedInvoice": "invoice",
    "ResolvedSurvey": "survey",
    "ResolvedAccount": "account",
}


class Entry(NamedTuple):
    """An event in the log: whose, what, and where it came from (``login``, partition, offset)."""

    account_id: str
    kind: str
    event_id: str
    occurred_at: int
    source: str
    partition: int
    offset: int


class Output(NamedTuple):
    """A record of an output topic: where it stands, what it says, and its bytes."""

    partition: int
    offset: int
    account_id: str
    value: bytes
    fields: dict[str, Any]


@dataclass(slots=True)
class Evidence:
    """
    Everything that can be read without asking a running worker.

    *present* are the numbers of the ground truth's sends that stand in the input topics. *entries* are by log
    partition. *behind_the_intake* is every byte of values behind the intake, in which nothing personal may
    stand.
    """

    prefix: str = ""
    present: set[int] = field(default_factory=set)
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    dead_letters: list[Record] = field(default_factory=list)
    outputs: dict[str, list[Output]] = field(default_factory=dict)
    folds: dict[int, PartitionFold] = field(default_factory=dict)
    behind_the_intake: list[bytes] = field(default_factory=list)


def gather(brokers: str, *, prefix: str = "", **client: Any) -> Evidence:
    """
    Read every topic under *prefix* to its present end; *client* are more of librdkafka's settings, such as a
    login.
    """
    settings = {"bootstrap.servers": brokers, "log_level": 0, **client}
    avro = OutsideAvro()
    found = Evidence(prefix=prefix)

    def read(topic: str) -> list[Record]:
        records = sorted(
            read_topic(settings, prefix + topic), key=lambda record: (record.partition, record.offset)
        )
        firsts = {record.partition: record.offset for record in reversed(records)}
        # Of the changelog the newest values are asked, wherever they stand.
        cut = topic != CHANGELOG and any(firsts.values())
        assert not cut, f"{topic} has lost its first records, so nothing can be proved by it"
        return records

    for topic in TOPICS.values():
        found.present |= {number for record in read(topic) if (number := _number(record)) is not None}
        found.dead_letters += read(f"{topic}.dlq")
    found.entries = _entries(read(LOG), avro, found)
    for topic in (CHANGE, CURRENT, ALERT):
        records = read(topic)
        found.behind_the_intake += [record.value or b"" for record in records]
        found.outputs[topic] = [_output(record, avro) for record in records]
    changelog = read(CHANGELOG)
    found.behind_the_intake += [record.value or b"" for record in changelog]
    found.folds = _folds(changelog)
    return found


def _number(record: Record) -> int | None:
    number = dict(record.headers).get(NUMBER_HEADER)
    return None if number is None else int(number)


def _entries(records: list[Record], avro: OutsideAvro, found: Evidence) -> dict[int, list[Entry]]:
    entries: dict[int, list[Entry]] = defaultdict(list)
    for record in records:
        assert record.value is not None
        found.behind_the_intake.append(record.value)
        fields = avro.decode(record.value)
        name, body = fields["body"]
        kind = _KINDS.get(name.rpartition(".")[2])
        if kind is not None:
            entries[record.partition].append(
                Entry(
                    (record.key or b"").decode(),
                    kind,
                    body["event_id"],
                    _ms(body["occurred_at"]),
                    fields["source"],
                    fields["partition"],
                    fields["offset"],
                )
            )
    return dict(entries)


def _ms(at: Any) -> int:
    return at if isinstance(at, int) else round(at.timestamp() * 1000)


def _output(record: Record, avro: OutsideAvro) -> Output:
    assert record.value is not None
    key = (record.key or b"").decode()
    return Output(record.partition, record.offset, key, record.value, avro.decode(record.value))


def _folds(changelog: list[Record]) -> dict[int, PartitionFold]:
    """The folds that a recovery would build: of each key the record with the highest position."""
    newest: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for record in changelog:
        assert record.key is not None
        assert record.value is not None
        held = newest[record.partition].get(record.key)
        if held is None or unpack_position(held) <= unpack_position(record.value):
            newest[record.partition][record.key] = record.value
    folds = {}
    for partition, values in newest.items():
        states = take_epoch(partition, values)
        closing, scorecards = states.pop(PARTITION_RECORD), states.pop(SCORECARDS_RECORD, None)
        folds[partition] = decode_fold(partition, closing, states, scorecards, read_documents)
    return folds
