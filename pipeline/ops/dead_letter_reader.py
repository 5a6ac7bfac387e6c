"""
The dead letters of the dead-letter topics as ``telltale dlq`` sees them.

Two passes over a topic: markers stand behind the dead letters that they are about, and only markers are kept
in memory. What headers say is read in ``pipeline.wire.dead_letters``; sending and marking is in
``dead_letter_replay``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from pipeline.errors import TelltaleError
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Record, offsets, read_topic
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.dead_letters import MOST_REPLAYS, DeadLetterHeaders, ReplayMarker, read

State: TypeAlias = Literal["pending", "exhausted", "replayed", "dropped"]

OPEN: Final[frozenset[State]] = frozenset({"pending", "exhausted"})
"""
Dead letters somebody has to do something about; those that are exhausted came back as often as a record may
be sent again.
"""

DEAD_LETTER_NAME: Final = re.compile(r"([a-z-]+):(\d+):(\d+)")
"""``source:partition:offset``, as ``DeadLetter.name`` has it."""


class NoSuchDeadLetter(TelltaleError):  # noqa: N818 - reads as what happened
    """A dead letter that was named is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """
    One dead letter of *input*: what it *says*, the marker of who was done with it if anybody was, and its
    record.
    """

    input: Topic
    says: DeadLetterHeaders
    marker: ReplayMarker | None
    record: Record

    @property
    def name(self) -> str:
        """``source:partition:offset`` in its dead-letter topic: what ``--dead-letter`` takes."""
        return f"{self.input.source}:{self.record.partition}:{self.record.offset}"

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.marker is not None:
            return self.marker.done
        return "exhausted" if self.says.replays >= MOST_REPLAYS else "pending"

    @property
    def is_whole(self) -> bool:
        """Whether the record is in it: one too large for a dead letter left its bytes in the input."""
        return self.says.code != "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    Which dead letters: of any of *codes*, *sources* and *names*, dead-lettered in [*since*, *until*) ms UTC;
    empty is all.
    """

    codes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self == Choice()

    def takes(self, dead_letter: DeadLetter) -> bool:
        """Whether *dead_letter* is among them."""
        at = dead_letter.record.timestamp
        return (
            (not self.codes or dead_letter.says.code in self.codes)
            and (not self.sources or dead_letter.input.source in self.sources)
            and (not self.names or dead_letter.name in self.names)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def read_dead_letters(
    client: Configuration, contract: Contract, choice: Choice | None = None
) -> Iterator[DeadLetter]:
    """
    The dead letters of *choice*, those of one partition in the order in which they were dead-lettered.

    Raises NoSuchLetter at the end when one that *choice* names was not met.
    """
    choice = choice or Choice()
    missing = set(choice.names)
    sources = {*choice.sources, *(name.partition(":")[0] for name in choice.names)}
    inputs = [contract.input(source) for source in sorted(sources)] if sources else contract.inputs
    spans = offsets(client, [contract.dead_letter(topic).name for topic in inputs])
    kept = {name for (name, _), (first, end) in spans.items() if first < end}
    for topic in inputs:
        if contract.dead_letter(topic).name in kept:
            for dead_letter in _dead_letters_of(client, contract, topic):
                if choice.takes(dead_letter):
                    missing.discard(dead_letter.name)
                    yield dead_letter
    if missing:
        raise NoSuchDeadLetter(
            f"no such dead letter: {', '.join(sorted(missing))}",
            hint="`telltale dlq ls --all` lists them; retention takes dead letters after 30 days.",
        )


def _dead_letters_of(client: Configuration, contract: Contract, topic: Topic) -> Iterator[DeadLetter]:
    name = contract.dead_letter(topic).name
    markers: dict[tuple[int, int], ReplayMarker] = {}
    told: dict[
        ReplayMarker, ReplayMarker
    ] = {}  # Thousands say the same but for their offset: what they say is kept once.
    for record in read_topic(client, name):
        says = read(record.headers)
        if isinstance(says, ReplayMarker):
            same = replace(says, offset=-1)
            markers[record.partition, says.offset] = told.setdefault(same, same)
    for record in read_topic(client, name):
        says = read(record.headers)
        if isinstance(says, DeadLetterHeaders):
            marker = markers.get((record.partition, record.offset))
            yield DeadLetter(input=topic, says=says, marker=marker, record=record)
