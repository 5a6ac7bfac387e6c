"""State and topics as they stand, partition by partition, of some accounts or all; nothing is judged here."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from pipeline.kafka.client import Configuration
from pipeline.kafka.records import offsets, read_topic
from pipeline.wire.avro import Undecodable
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.outputs import OutputDecoder
from pipeline.wire.position import (
    EPOCH_MARK,
    PARTITION_RECORD,
    POSITION_SIZE,
    Position,
    take_epoch,
    unpack_position,
)
from pipeline.wire.registry import Registry

Accounts: TypeAlias = Collection[str] | None
"""Which accounts; None for all."""

_BEGINNING: Final = Position(1, 0, 0)


class WrittenRecord(NamedTuple):
    """One record of a topic: who it is of, its version or sequence, and its bytes at its offset."""

    account_id: str
    version: int
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenStates:
    """
    What the changelog holds of a partition: of each key the highest position, of the newest epoch only.

    *record* is the partition's own value, None before there was any.
    """

    accounts: Mapping[str, bytes] = field(default_factory=dict)
    record: bytes | None = None

    @property
    def position(self) -> Position:
        """How far the worker has come: everything up to here must be written."""
        return _BEGINNING if self.record is None else unpack_position(self.record)


@dataclass(slots=True, kw_only=True)
class WrittenOutputs:
    """
    What the three topics hold of a partition's epoch.

    *changes* by account and version, *alerts* by alert and sequence, *snapshots* has the latest of each account;
    *erased* are accounts whose latest is null. *trimmed* are topics that have lost records at their beginning, by
    retention. *foreign* are records nobody can read, or of which there are two that differ, each with a sentence.
    """

    changes: dict[tuple[str, int], WrittenRecord] = field(default_factory=dict)
    alerts: dict[tuple[str, int], WrittenRecord] = field(default_factory=dict)
    snapshots: dict[str, WrittenRecord] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    trimmed: set[str] = field(default_factory=set)
    foreign: list[tuple[Topic, WrittenRecord, str]] = field(default_factory=list)


def read_states(client: Configuration, changelog: str, accounts: Accounts) -> dict[int, WrittenStates]:
    """
    Read the states of *accounts*, by partition.

    Raises ``EpochUnfinished`` while a rebuild has begun a partition and not come to its end.
    """
    values: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    keys = None if accounts is None else {account_id.encode() for account_id in accounts}
    for record in read_topic(client, changelog):
        key, value = record.key or b"", record.value or b""
        if keys is not None and key not in keys and key not in {PARTITION_RECORD, EPOCH_MARK}:
            continue
        known = values[record.partition].get(key, b"")
        if value[:POSITION_SIZE] >= known[:POSITION_SIZE]:
            values[record.partition][key] = value
    return {partition: _states(take_epoch(partition, found)) for partition, found in values.items()}


def _states(values: Mapping[bytes, bytes]) -> WrittenStates:
    accounts = {key.decode(): value for key, value in values.items() if not key.startswith(b"\0")}
    return WrittenStates(accounts=accounts, record=values.get(PARTITION_RECORD))


def read_outputs(
    client: Configuration,
    contract: Contract,
    registry: Registry,
    *,
    epochs: Mapping[int, int],
    accounts: Accounts,
) -> dict[int, WrittenOutputs]:
    """Read what the topics hold of *accounts* in the partitions that *epochs* names, as those epochs have it."""
    decode = OutputDecoder(contract, registry).decode
    written = {partition: WrittenOutputs() for partition in epochs}
    for (topic_name, partition), (first, _) in offsets(
        client, [topic.name for topic in contract.outputs]
    ).items():
        if first > 0 and partition in written:
            written[partition].trimmed.add(topic_name)
    for topic in contract.outputs:
        for partition, found in _records(client, topic, epochs, accounts):
            to = written[partition]
            if not found.value and topic is contract.current:
                to.erased.add(found.account_id)
                to.snapshots.pop(found.account_id, None)
                continue
            try:
                value = decode(topic.name, found.value)
            except Undecodable as error:
                to.foreign.append((topic, found, error.detail))
                continue
            if value["epoch"] == epochs[partition]:
                _add(to, contract, topic, value, found)
    return written


def _records(
    client: Configuration, topic: Topic, partitions: Collection[int], accounts: Accounts
) -> Iterator[tuple[int, WrittenRecord]]:
    for record in read_topic(client, topic.name, start=dict.fromkeys(partitions, 0)):
        account_id = (record.key or b"").decode(errors="replace")
        if accounts is None or account_id in accounts:
            yield record.partition, WrittenRecord(account_id, 0, record.offset, record.value or b"")


def _add(
    to: WrittenOutputs, contract: Contract, topic: Topic, value: Mapping[str, Any], found: WrittenRecord
) -> None:
    """Keep the latest snapshot, and of what was repeated the first; repeats have the same bytes."""
    if topic is contract.current:
        to.erased.discard(found.account_id)
        to.snapshots[found.account_id] = found._replace(version=value["version"])
        return
    if topic is contract.change:
        found = found._replace(version=value["version"])
        known = to.changes.setdefault((found.account_id, found.version), found)
    else:
        found = found._replace(version=value["sequence"])
        known = to.alerts.setdefault((value["alert_id"], found.version), found)
    if known.value != found.value:
        to.foreign.append((topic, found, f"differs from its first copy at offset {known.offset}"))
