"""
The account log folded again, held against what the health worker wrote: the promise "same log, same bytes", checked.

The topics are read before the log, so everything in them must follow from the log; what the log implies beyond their
end is merely not written yet.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from pipeline.health.events import LogEntry
from pipeline.health.outputs import AlertEvent, HealthChange, HealthSnapshot
from pipeline.health.replay import fold_all
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import partitions_of, read_topic
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import OutputEncoder
from pipeline.wire.registry import Registry


@dataclass(slots=True, kw_only=True)
class Comparison:
    """
    What one topic has against what it should have.

    *compared* records are as the fold makes them, *repeats* are among those (a crash between two writes),
    *pending* follow from the log and are not written yet, *differences* should not be, or are missing in between.
    """

    topic: str
    compared: int = 0
    repeats: int = 0
    pending: int = 0
    differences: int = 0
    first_difference: str = ""


@dataclass(slots=True)
class _Written:
    """Digests of one topic's partition in order, and where its first record stands."""

    digests: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)


def compare_with_topics(
    client: Configuration, contract: Contract, registry: Registry
) -> Iterator[Comparison]:
    """Fold every partition of the log and compare it with the three health topics; one result per topic."""
    outputs = (contract.change, contract.current, contract.alert)
    written = {topic.name: _read_digests(client, topic) for topic in outputs}
    expected: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    encoder = OutputEncoder(contract, registry)
    places: dict[type[Any], tuple[str, Callable[[Any], bytes]]] = {
        HealthChange: (contract.change.name, encoder.change),
        HealthSnapshot: (contract.current.name, encoder.snapshot),
        AlertEvent: (contract.alert.name, encoder.alert),
    }
    partitions = partitions_of(client, contract.log.name)
    for partition in partitions:
        for account_id, output in fold_all(_entries(client, contract, registry, partition)):
            name, encode = places[type(output)]
            expected[name, partition].append(_digest(account_id.encode(), encode(output)))
    for topic in outputs:
        result = Comparison(topic=topic.name)
        for partition, found in written[topic.name].items():
            _compare(
                result,
                partition,
                found,
                expected[topic.name, partition],
                compacted=topic.cleanup == "compact",
            )
        yield result


def _entries(
    client: Configuration, contract: Contract, registry: Registry, partition: int
) -> Iterator[tuple[str, LogEntry]]:
    decode = LogCodec(contract, registry).decode
    for record in read_topic(client, contract.log.name, start={partition: 0}):
        assert record.value is not None, "the log has no tombstones"
        yield (record.key or b"").decode(), decode(record.value)


def _read_digests(client: Configuration, topic: Topic) -> dict[int, _Written]:
    written: dict[int, _Written] = defaultdict(_Written)
    for record in read_topic(client, topic.name):
        found = written[record.partition]
        found.digests.append(_digest(record.key or b"", record.value or b""))
        found.offsets.append(record.offset)
    return written


def _compare(
    result: Comparison, partition: int, found: _Written, expected: list[bytes], *, compacted: bool
) -> None:
    """Walk through what is there: each record is the next one expected, or repeats one that was."""
    places = {digest: place for place, digest in enumerate(expected)}
    # Retention and compaction take records away at the front and, in a compacted topic, in between.
    reached = places.get(found.digests[0], 0) - 1 if found.digests else -1
    for digest, offset in zip(found.digests, found.offsets, strict=True):
        place = places.get(digest)
        if place is not None and (place == reached + 1 or (compacted and place > reached)):
            result.compared += 1
            reached = place
        elif place is not None and place <= reached:
            result.repeats += 1
        else:
            result.differences += 1
            result.first_difference = (
                result.first_difference or f"{result.topic}[{partition}] offset {offset}"
            )
            reached = max(reached, place if place is not None else reached + 1)
    result.pending += len(expected) - reached - 1


def _digest(key: bytes, value: bytes) -> bytes:
    return blake2b(len(key).to_bytes(4) + key + value, digest_size=16).digest()
