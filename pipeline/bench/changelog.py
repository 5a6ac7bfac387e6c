"""
What a worker has written, and when, by the broker's clock: the only witness of a rate that is not the worker
itself.

A state in the changelog opens with the position it is the fold of, so the changelog tells how far each
partition had come at each moment, with everything before it delivered.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.kafka.client import Configuration
from pipeline.kafka.records import read_topic
from pipeline.wire.contract import Contract
from pipeline.wire.position import PARTITION_RECORD, POSITION_SIZE, SCORECARDS_RECORD, unpack_position


class Stretch(NamedTuple):
    """
    Between *begin* and *end* (wall clock, seconds) *entries* of the log were folded, and what came of them
    delivered.
    """

    begin: float
    end: float
    entries: int

    @property
    def rate(self) -> float | None:
        """Entries a second; None if they all came in one go."""
        return self.entries / (self.end - self.begin) if self.end > self.begin else None


@dataclass(slots=True)
class Changelog:
    """
    All of a changelog: *records* and their *size* in bytes, and the last value of each account.

    *steps* has for each partition, in order, when (ms) which offset of the log was the next one.
    """

    records: int = 0
    size: int = 0
    states: dict[bytes, bytes] = field(default_factory=dict)
    steps: defaultdict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def entries(self) -> int:
        """Entries of the log that are in the states."""
        return sum(steps[-1][1] for steps in self.steps.values())

    def stretch(self, ready_at: float | None = None) -> Stretch:
        """
        To the last append from *ready_at*, or, where nobody knows when the worker began, from the first
        append.

        What the first append brought was folded before it and does not count then; nor does what was folded
        before it and appended after, which a worker that appends each state at once has none of.
        """
        end = max(steps[-1][0] for steps in self.steps.values())
        if ready_at is not None:
            return Stretch(ready_at, end / 1000, self.entries)
        begin = min(steps[0][0] for steps in self.steps.values())
        before = sum(
            max((offset for at, offset in steps if at == begin), default=0) for steps in self.steps.values()
        )
        return Stretch(begin / 1000, end / 1000, self.entries - before)

    def reached(self, offsets: Mapping[int, int]) -> float:
        """When (seconds) every partition had come to its offset in *offsets*."""
        moments = [
            next(at for at, next_offset in self.steps[partition] if next_offset >= offset)
            for partition, offset in offsets.items()
        ]
        return max(moments) / 1000


def read_changelog(client: Configuration, topic: str) -> Changelog:
    """Read all of *topic*."""
    changelog = Changelog()
    for record in read_topic(client, topic):
        assert record.key is not None and record.value is not None  # noqa: PT018 - states are never deleted
        next_offset = unpack_position(record.value).next_offset
        steps = changelog.steps[record.partition]
        if not steps or steps[-1][1] != next_offset:
            steps.append((record.timestamp, next_offset))
        changelog.records += 1
        changelog.size += len(record.key) + len(record.value)
        if record.key not in {PARTITION_RECORD, SCORECARDS_RECORD}:
            changelog.states[record.key] = record.value
    return changelog


def read_outputs(client: Configuration, contract: Contract) -> dict[tuple[str, bytes], list[bytes]]:
    """Every output by topic and account, in order, without the prefix, which values name topics with."""
    outputs, prefix = defaultdict(list), contract.prefix.encode()
    for topic in contract.outputs:
        for record in read_topic(client, topic.name):
            assert record.key is not None and record.value is not None  # noqa: PT018 - outputs are never deleted
            place = topic.name.removeprefix(contract.prefix), record.key
            outputs[place].append(record.value.replace(prefix, b""))
    return dict(outputs)


def differing_states(one: Changelog, other: Changelog) -> int:
    """Accounts whose last states differ in anything but the position: who cuts otherwise stands elsewhere."""
    accounts = one.states.keys() | other.states.keys()
    return sum(
        one.states.get(account, b"")[POSITION_SIZE:] != other.states.get(account, b"")[POSITION_SIZE:]
        for account in accounts
    )
