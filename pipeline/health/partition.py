"""
What the fold of a partition and the worker that writes it exchange: the partition's record and its steps.
"""

from dataclasses import dataclass, field

from pipeline.health.account import AccountState
from pipeline.health.versions import Output


@dataclass(slots=True)
class Counters:
    """
    What the fold has met since the log began.

    *repeats* were at or below their source's offset, *duplicates* had an event id seen before; both changed
    nothing. *late* are events of an earlier day than their account had reached; *left_out* are older than
    what is remembered, of an unknown kind, or for a closed account. *evicted* are people forgotten because
    their account had too many.
    """

    events: int = 0
    repeats: int = 0
    duplicates: int = 0
    late: int = 0
    left_out: int = 0
    evicted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRecord:
    """
    What the partition's own record in the state table says.

    *topic_id* names the log the offsets belong to, *cards_offset* the log entry the active scorecards came
    with, -1 if none did. *accounts* is the number of states that belong to the record.
    """

    epoch: int
    next_offset: int
    timers_fired: int
    watermark: int
    topic_id: str
    cards_offset: int
    accounts: int
    source_offsets: dict[tuple[str, int], int]
    counters: Counters


@dataclass(slots=True)
class Step:
    """
    What happened since the last step: outputs in order, each with its account, and what has to be written.
    """

    outputs: list[tuple[str, Output]] = field(default_factory=list)
    changed: dict[str, AccountState] = field(default_factory=dict)
    scorecards_changed: bool = False
