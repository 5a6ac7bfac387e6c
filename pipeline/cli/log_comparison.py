"""
The account log folded again, held against what the health worker wrote: the promise "same log, same bytes", checked.

The topics are read before the log, so everything in them must follow from the log; what the log implies beyond their
end is merely not written yet. After a rebuild only what was written under the newest epoch of a partition is compared:
that is what counts, and what came before was made by another program or of another log.
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
from pipeline.scorecards import read_documents
from pipeline.wire.avro import Undecodable
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import OutputDecoder, OutputEncoder
from pipeline.wire.registry import Registry


@dataclass(slots=True, kw_only=True)
class Comparison:
    """
    What one topic has against what it should have.

    *compared* records are as the fold makes them, *repeats* are among those (a crash between two writes),
    *pending* follow from the log and are not written yet, *differences* should not be, or are missing in between.
    *earlier* are of epochs before the last rebuild.
    """

    topic: str
    compared: int = 0
    repeats: int = 0
    pending: int = 0
    differences: int = 0
    earlier: int = 0
    first_difference: str = ""


@dataclass(slots=True)
class _Written:
    """Digests of the newest *epoch* in one topic's partition in order, their offsets, and how many came before."""

    epoch: int = 1
    digests: list[bytes] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    earlier: int = 0

    def add(self, epoch: int, digest: bytes, offset: int) -> None:
        """Take in the next record."""
        self.rise(epoch)
        if epoch < self.epoch:
            self.earlier += 1
        else:
            self.digests.append(digest)
            self.offsets.append(offset)

    def rise(self, epoch: int) -> None:
        """Take what is there for earlier if it is of an epoch before *epoch*."""
        if epoch > self.epoch:
            self.earlier += len(self.digests)
            self.epoch, self.digests, self.offsets = epoch, [], []


def compare_with_topics(
    client: Configuration, contract: Contract, registry: Registry
) -> Iterator[Comparison]:
    """Fold every partition of the log and compare it with the three health topics; one result per topic."""
    outputs = (contract.change, contract.current, contract.alert)
    decoder = OutputDecoder(contract, registry)
    written = {topic.name: _read_digests(client, topic, decoder) for topic in outputs}
    expected: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    encoder = OutputEncoder(contract, registry)
    places: dict[type[Any], tuple[str, Callable[[Any], bytes]]] = {
        HealthChange: (contract.change.name, encoder.change),
        HealthSnapshot: (contract.current.name, encoder.snapshot),
        AlertEvent: (contract.alert.name, encoder.alert),
    }
    partitions = partitions_of(client, contract.log.name)
    for partition in partitions:
        found_here = [found[partition] for found in written.values() if partition in found]
        epoch = max((there.epoch for there in found_here), default=1)
        for there in found_here:
            there.rise(epoch)
        entries = _entries(client, contract, registry, partition)
        for account_id, output in fold_all(entries, read_documents, epoch=epoch):
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


def _read_digests(client: Configuration, topic: Topic, decoder: OutputDecoder) -> dict[int, _Written]:
    written: dict[int, _Written] = defaultdict(_Written)
    for record in read_topic(client, topic.name):
        found, value = written[record.partition], record.value or b""
        try:
            epoch = decoder.decode(topic.name, value)["epoch"]
        except Undecodable:
            epoch = found.epoch  # Somebody else's: no epoch follows from it, and it will be found to differ.
        found.add(epoch, _digest(record.key or b"", value), record.offset)
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
    result.earlier += found.earlier


def _digest(key: bytes, value: bytes) -> bytes:
    return blake2b(len(key).to_bytes(4) + key + value, digest_size=16).digest()
