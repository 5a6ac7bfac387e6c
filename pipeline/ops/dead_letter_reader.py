"""
The letters of the dead-letter topics as ``telltale dlq`` sees them.

Two passes over a topic: marks stand behind the letters that they are about, and only marks are kept in memory. What
headers say is read in ``pipeline.wire.dead_letters``; sending and marking is in ``dead_letter_replay``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from pipeline.errors import TelltaleError
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Record, offsets, read_topic
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.dead_letters import MOST_REPLAYS, Letter, Mark, read

State: TypeAlias = Literal["waiting", "spent", "replayed", "dropped"]

OPEN: Final[frozenset[State]] = frozenset({"waiting", "spent"})
"""Letters somebody has to do something about; those that are spent came back as often as a record may be sent again."""

LETTER_NAME: Final = re.compile(r"([a-z-]+):(\d+):(\d+)")
"""``source:partition:offset``, as ``DeadLetter.name`` has it."""


class NoSuchLetter(TelltaleError):  # noqa: N818 - reads as what happened
    """A letter that was named is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One letter of *input*: what it *says*, the mark of who was done with it if anybody was, and its record."""

    input: Topic
    says: Letter
    mark: Mark | None
    record: Record

    @property
    def name(self) -> str:
        """``source:partition:offset`` in its dead-letter topic: what ``--letter`` takes."""
        return f"{self.input.source}:{self.record.partition}:{self.record.offset}"

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.mark is not None:
            return self.mark.done
        return "spent" if self.says.replays >= MOST_REPLAYS else "waiting"

    @property
    def is_whole(self) -> bool:
        """Whether the record is in it: one too large for a letter left its bytes in the input."""
        return self.says.code != "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which letters: of any of *codes*, *sources* and *names*, put aside in [*since*, *until*) ms UTC; empty is all."""

    codes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self == Choice()

    def takes(self, letter: DeadLetter) -> bool:
        """Whether *letter* is among them."""
        at = letter.record.timestamp
        return (
            (not self.codes or letter.says.code in self.codes)
            and (not self.sources or letter.input.source in self.sources)
            and (not self.names or letter.name in self.names)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def read_letters(
    client: Configuration, contract: Contract, choice: Choice | None = None
) -> Iterator[DeadLetter]:
    """
    The letters of *choice*, those of one partition in the order in which they were put aside.

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
            for letter in _letters_of(client, contract, topic):
                if choice.takes(letter):
                    missing.discard(letter.name)
                    yield letter
    if missing:
        raise NoSuchLetter(
            f"no such letter: {', '.join(sorted(missing))}",
            hint="`telltale dlq ls --all` lists them; retention takes letters after 30 days.",
        )


def _letters_of(client: Configuration, contract: Contract, topic: Topic) -> Iterator[DeadLetter]:
    name = contract.dead_letter(topic).name
    marks: dict[tuple[int, int], Mark] = {}
    told: dict[Mark, Mark] = {}  # Thousands say the same but for their offset: what they say is kept once.
    for record in read_topic(client, name):
        says = read(record.headers)
        if isinstance(says, Mark):
            same = replace(says, offset=-1)
            marks[record.partition, says.offset] = told.setdefault(same, same)
    for record in read_topic(client, name):
        says = read(record.headers)
        if isinstance(says, Letter):
            mark = marks.get((record.partition, record.offset))
            yield DeadLetter(input=topic, says=says, mark=mark, record=record)
