"""
What a sink writes to, seen from the consumer: something that keeps rows and read positions together.

A target stores the positions in the same transaction as what it made of the records, so the two cannot part: a
crash, a lost acknowledgement or a restored backup takes both back alike, and reading on at the stored position
repeats nothing and leaves out nothing.

    TelltaleError
    ├── TargetAway        does not answer now; the consumer waits and asks again
    └── SinkStopped       goes on wrongly or not at all; the process ends, and says what helps
        ├── Fenced            another process has taken the partition over
        ├── TopicRecreated    the positions belong to a topic that is gone
        └── BadRecord         a record that cannot be stored; none is ever skipped
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pipeline.errors import TelltaleError


class TargetAway(TelltaleError):  # noqa: N818 - these read as what happened
    """The target, or something it needs, does not answer; nothing of the batch is known to be stored."""


class SinkStopped(TelltaleError):  # noqa: N818
    """The sink cannot go on without a decision or a restart."""


class Fenced(SinkStopped):
    """A partition has another owner by now; nothing of the batch was stored."""


class TopicRecreated(SinkStopped):
    """A topic of this name was deleted and made anew, so stored positions mean nothing in it."""


class BadRecord(SinkStopped):
    """A record that the target cannot hold, with its topic, partition and offset."""


class Partition(NamedTuple):
    """One partition of a topic, by the topic's full name."""

    topic: str
    number: int

    def __str__(self) -> str:
        """As error messages write it."""
        return f"{self.topic}[{self.number}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as read; *timestamp* is Kafka's, ms UTC, None if the broker gave none."""

    partition: Partition
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


class Target(Protocol):
    """Where records go. Called from one thread; no call outlasts a minute. Each may raise ``TargetAway``."""

    def claim(self, partitions: Sequence[Partition], topic_ids: Mapping[str, str]) -> Mapping[Partition, int]:
        """
        Become the owner of *partitions* and of no others, and say at which offset to read on; 0 is the start.

        *topic_ids* has the broker's ids of those topics that it tells. May raise ``TopicRecreated``.
        """

    def positions(self) -> Mapping[Partition, int]:
        """Where to read on, of what was claimed last: for use after ``TargetAway``. ``Fenced`` if it was lost."""

    def write(self, batch: Sequence[Record]) -> None:
        """Store *batch*, in order of offset in each partition, and its positions: both or neither."""

    def way_back(self, topic: str) -> str:
        """How an operator has *topic* read from its start: the way out where positions are of no use any more."""
