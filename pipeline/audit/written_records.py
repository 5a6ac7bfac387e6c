"""State and topics of one partition as they stand, of some accounts or all; nothing is judged here."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from pipeline.audit.partition_reader import PartitionReader
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

    *changes* by account and version, *alerts* by alert and sequence, *snapshots* has the latest of each
    account; *erased* are accounts whose latest is null. *trimmed* are topics that have lost records at their
    beginning, by retention. *foreign* are records nobody can read, or of which there are two that differ,
    each with a sentence.
    """

    changes: dict[tuple[str, int], WrittenRecord] = field(default_factory=dict)
    alerts: dict[tuple[str, int], WrittenRecord] = field(default_factory=dict)
    snapshots: dict[str, WrittenRecord] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    trimmed: set[str] = field(default_factory=set)
    foreign: list[tuple[Topic, WrittenRecord, str]] = field(default_factory=list)

    def accounts(self) -> set[str]:
        """The accounts there is a record of."""
        records = chain(self.changes.values(), self.alerts.values(), (found for _, found, _ in self.foreign))
        return {found.account_id for found in records} | self.snapshots.keys() | self.erased


def read_states(reader: PartitionReader, changelog: str, accounts: Accounts) -> WrittenStates:
    """
    Read the partition's states of *accounts*.

    Raises ``EpochUnfinished`` while a rebuild has begun the partition and not come to its end.
    """
    values: dict[bytes, bytes] = {}
    keys = None if accounts is None else {account_id.encode() for account_id in accounts}
    for record in reader.records(changelog):
        key, value = record.key or b"", record.value or b""
        if keys is not None and key not in keys and key not in {PARTITION_RECORD, EPOCH_MARK}:
            continue
        if value[:POSITION_SIZE] >= values.get(key, b"")[:POSITION_SIZE]:
            values[key] = value
    of_epoch = take_epoch(reader.partition, values)
    states = {key.decode(): value for key, value in of_epoch.items() if not key.startswith(b"\0")}
    return WrittenStates(accounts=states, record=of_epoch.get(PARTITION_RECORD))


def read_outputs(
    reader: PartitionReader,
    contract: Contract,
    registry: Registry,
    *,
    epoch: int,
    accounts: Accounts,
) -> WrittenOutputs:
    """Read what the topics hold of *accounts* in the partition, as *epoch* has it."""
    decode = OutputDecoder(contract, registry).decode
    written = WrittenOutputs()
    for topic in contract.outputs:
        if reader.first(topic.name) > 0:
            written.trimmed.add(topic.name)
        for found in _records(reader, topic, accounts):
            if not found.value and topic is contract.current:
                written.erased.add(found.account_id)
                written.snapshots.pop(found.account_id, None)
                continue
            try:
                value = decode(topic.name, found.value)
            except Undecodable as error:
                written.foreign.append((topic, found, error.detail))
                continue
            if value["epoch"] == epoch:
                _add(written, contract, topic, value, found)
    return written


def _records(reader: PartitionReader, topic: Topic, accounts: Accounts) -> Iterator[WrittenRecord]:
    for record in reader.records(topic.name):
        account_id = (record.key or b"").decode(errors="replace")
        if accounts is None or account_id in accounts:
            yield WrittenRecord(account_id, 0, record.offset, record.value or b"")


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
