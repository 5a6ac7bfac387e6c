"""
The letters of the dead-letter topics as ``telltale dlq`` sees them, and the options that choose among them.

Two passes over a topic: marks stand behind the letters that they are about, and only marks are kept in memory. What
headers say is read in ``pipeline.wire.dead_letters``; sending and marking is in ``dlq_actions``.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final, Literal, TypeAlias

import click

from pipeline.errors import TelltaleError
from pipeline.intake.received import CODES
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Record, offsets, read_topic
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.dead_letters import MOST_REPLAYS, Letter, Mark, read

State: TypeAlias = Literal["waiting", "spent", "replayed", "dropped"]

OPEN: Final[frozenset[State]] = frozenset({"waiting", "spent"})
"""Letters somebody has to do something about; those that are spent came back as often as a record may be sent again."""

_LETTER: Final = re.compile(r"([a-z-]+):(\d+):(\d+)")
_AGO: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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


class _Moment(click.ParamType):
    """A time in ms UTC: ISO 8601, UTC where no zone is given, or ``2h`` for two hours ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        ago = _AGO.fullmatch(value)
        if ago is not None:
            return int((time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time: 2026-01-31, 2026-01-31T12:00 (UTC), or 30m, 2h, 7d ago", param, ctx
            )
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class _LetterName(click.ParamType):
    """The name of a letter as ``ls`` prints it."""

    name = "letter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if _LETTER.fullmatch(value) is None:
            self.fail(f"{value!r} is no letter; `telltale dlq ls` names them like login:2:17", param, ctx)
        return str(value)


_OPTIONS: Final = (
    click.option("--source", "sources", multiple=True, help="Only of this input: login, support-ticket, ..."),
    click.option(
        "--code",
        "codes",
        multiple=True,
        type=click.Choice(list(CODES)),
        metavar="CODE",
        help="Only with this code; stats tells them.",
    ),
    click.option(
        "--since", type=_Moment(), help="Only put aside from then on: 2026-01-31T12:00 (UTC), or 2h ago."
    ),
    click.option("--until", type=_Moment(), help="Only put aside before then."),
    click.option(
        "--letter", "names", multiple=True, type=_LetterName(), help="Only this one, as ls names it."
    ),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the options that all of ``dlq`` share; it gets a ``Choice`` first, and ``as_json``."""

    @wraps(command)
    def chosen(
        sources: tuple[str, ...],
        codes: tuple[str, ...],
        since: int | None,
        until: int | None,
        names: tuple[str, ...],
        **others: Any,
    ) -> None:
        choice = Choice(codes=codes, sources=sources, names=names, since=since, until=until)
        command(choice, **others)

    for option in reversed(_OPTIONS):
        chosen = option(chosen)
    return chosen
