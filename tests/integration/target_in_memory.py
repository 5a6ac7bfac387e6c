"""
A sink's target in memory: what ``sinks.target.Target`` asks for and no more, held to the suite of all
targets.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

from pipeline.wire.avro import Undecodable
from pipeline.wire.outputs import OutputDecoder
from sinks.target import (
    Fenced,
    Partition,
    Record,
    RejectedFlood,
    TargetAway,
    TargetRestored,
    TopicRecreated,
)
from tests.integration.postgres_sink_parts import CHANGE, CONTRACT, REGISTRY

MOST_SET_ASIDE = 100


@dataclass
class Position:
    """How far a partition is stored, who claimed it last, and how often it was claimed."""

    next_offset: int = 0
    claims: int = 0
    owner: object = None
    topic_id: str | None = None


@dataclass
class Contents:
    """All that a backup would hold."""

    positions: dict[Partition, Position] = field(default_factory=dict)
    rows: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    quarantined: dict[tuple[Partition, int], Record] = field(default_factory=dict)


@dataclass
class MemoryStore:
    """What outlives the processes that write to it; see ``test_target_contract.Store``."""

    contents: Contents = field(default_factory=Contents)
    backup: Contents = field(default_factory=Contents)
    is_away: bool = False

    def member(self) -> "MemoryTarget":
        return MemoryTarget(self)

    def stored(self) -> list[tuple[str, int]]:
        return sorted((account_id, version) for account_id, _, version in self.contents.rows)

    def quarantined(self) -> list[tuple[Partition, int, bytes | None]]:
        return [(*place, record.value) for place, record in sorted(self.contents.quarantined.items())]

    def back_up(self) -> None:
        self.backup = deepcopy(self.contents)

    def restore(self) -> None:
        self.contents = deepcopy(self.backup)

    @contextmanager
    def away(self) -> Iterator[None]:
        self.is_away = True
        try:
            yield
        finally:
            self.is_away = False


class MemoryTarget:
    """One process's view of *store*."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._name = object.__repr__(self)  # Survives a backup's copy, as a name in a row does.
        self._claimed: dict[Partition, Position] = {}
        self._decode = OutputDecoder(CONTRACT, REGISTRY).decode

    def claim(self, partitions: Sequence[Partition], topic_ids: Mapping[str, str]) -> Mapping[Partition, int]:
        positions = self._contents().positions
        for partition in partitions:
            known, now = positions.get(partition, Position()).topic_id, topic_ids.get(partition.topic)
            if known and now and known != now:
                raise TopicRecreated(f"{partition} was recreated", hint=self.way_back(partition.topic))
        for partition in partitions:
            position = positions.setdefault(partition, Position())
            position.claims += 1
            position.owner = self._name
            position.topic_id = topic_ids.get(partition.topic) or position.topic_id
        self._claimed = {partition: deepcopy(positions[partition]) for partition in partitions}
        return self._next_offsets()

    def positions(self) -> Mapping[Partition, int]:
        self._claimed = {partition: deepcopy(self._held(partition)) for partition in self._claimed}
        return self._next_offsets()

    def check(self) -> None:
        self.positions()

    def write(self, batch: Sequence[Record]) -> None:
        after = deepcopy(self._contents())
        for record in batch:
            if self._held(record.partition).next_offset > record.offset:
                raise Fenced(f"{record.partition} is stored up to a later offset")
            after.positions[record.partition].next_offset = record.offset + 1
            try:
                value = self._decode(CHANGE, record.value or b"")
            except Undecodable:
                after.quarantined[record.partition, record.offset] = record
            else:
                key = (value["account_id"], value["epoch"], value["version"])
                after.rows.setdefault(key, record.value or b"")
        if max(Counter(place for place, _ in after.quarantined).values(), default=0) > MOST_SET_ASIDE:
            raise RejectedFlood("too many records cannot be stored")
        self._store.contents = after
        self._claimed = {partition: deepcopy(after.positions[partition]) for partition in self._claimed}

    def way_back(self, topic: str) -> str:
        return f"Forget the positions of {topic}."

    def _contents(self) -> Contents:
        if self._store.is_away:
            raise TargetAway("the store is away")
        return self._store.contents

    def _held(self, partition: Partition) -> Position:
        there, ours = self._contents().positions.get(partition), self._claimed[partition]
        if there is None or there.claims < ours.claims:
            raise TargetRestored(f"{partition} went back")
        if (there.owner, there.claims) != (self._name, ours.claims):
            raise Fenced(f"{partition} has another owner")
        if there.next_offset < ours.next_offset:
            raise TargetRestored(f"{partition} went back")
        return there

    def _next_offsets(self) -> dict[Partition, int]:
        return {partition: position.next_offset for partition, position in self._claimed.items()}
