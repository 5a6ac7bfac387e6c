"""
What a sink writes to, seen from the consumer: something that keeps rows and read positions together.

A target stores the positions in the same transaction as what it made of the records, so the two cannot part:
a crash, a lost acknowledgement or a restored backup takes both back alike, and reading on at the stored
position repeats nothing and leaves out nothing.

    TelltaleError
    ├── TargetAway        does not answer now; the consumer waits and asks again
    ├── TargetRestored    stands where it stood earlier, as after a restored backup; the consumer claims again
    └── SinkStopped       goes on wrongly or not at all; the process ends, and says what helps
        ├── Fenced            another process has taken the partition over
        ├── TopicRecreated    the positions belong to a topic that is gone
        ├── RejectedFlood     so many records cannot be stored that the fault is hardly in the records
        └── TargetUnfit       the target lacks something that every record needs
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pipeline.errors import TelltaleError


class TargetAway(TelltaleError):  # noqa: N818 - these read as what happened
    """The target, or something it needs, does not answer; nothing of the batch is known to be stored."""


class TargetRestored(TelltaleError):  # noqa: N818
    """
    The target has forgotten what this sink stored, and nobody else owns it; nothing of the batch was stored.
    """


class SinkStopped(TelltaleError):  # noqa: N818
    """The sink cannot go on without a decision or a restart."""


class Fenced(SinkStopped):
    """A partition has another owner by now; nothing of the batch was stored."""


class TopicRecreated(SinkStopped):
    """A topic of this name was deleted and recreated, so stored positions mean nothing in it."""


class RejectedFlood(SinkStopped):
    """
    Too many of a partition's last records cannot be stored; the newest of them is not quarantined any more.
    """


class TargetUnfit(SinkStopped):
    """The target refuses what has nothing to do with the records: a table, a column or a right is missing."""


class Partition(NamedTuple):
    """One partition of a topic, by the topic's full name."""

    topic: str
    number: int

    def __str__(self) -> str:
        """As error messages write it."""
        return f"{self.topic}[{self.number}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    One record as read; *timestamp* is Kafka's, ms UTC, None if the broker gave none.

    *headers* stand in the record's order: a name may come twice, and a value may be null.
    """

    partition: Partition
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Target(Protocol):
    """
    Where records go. Called from one thread, which does not poll meanwhile.

    A call may take minutes: a transaction is tried again after a conflict, and a batch with refused rows
    takes many. After five (librdkafka's ``max.poll.interval.ms``) the group gives the partitions away:
    whoever claims them fences the call.

    Each but ``way_back`` may raise ``TargetAway``, and each but ``claim`` of those ``Fenced`` and
    ``TargetRestored``.
    """

    def claim(self, partitions: Sequence[Partition], topic_ids: Mapping[str, str]) -> Mapping[Partition, int]:
        """
        Become the owner of *partitions* and of no others, and say at which offset to read on; 0 is the start.

        *topic_ids* has the broker's ids of those topics that it tells. May raise ``TopicRecreated``.
        """

    def positions(self) -> Mapping[Partition, int]:
        """Where to read on, of what was claimed last: for use after ``TargetAway``."""

    def check(self) -> None:
        """See that all that was claimed still stands where it was left, also where nothing is written."""

    def write(self, batch: Sequence[Record]) -> None:
        """
        Store *batch*, in order of offset in each partition, and its positions.

        A record that cannot be stored is quarantined in the target, where its bytes are kept: nothing is
        skipped. All else of the batch is stored, unless ``RejectedFlood`` says that this is no single
        record's fault.
        """

    def way_back(self, topic: str) -> str:
        """
        How an operator has *topic* read from its start: the hint where positions are of no use any more.
        """
