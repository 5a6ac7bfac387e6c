"""
Differences between what was written and what follows from the log: found field by field, and named to the
event.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.wire.contract import TOPIC_ID_SEPARATOR, Contract

_LONGEST_VALUE: Final = 100
_NOTHING: Final = object()
_PLAIN: Final = (str, bytes, bytearray, int, float)


class Made(NamedTuple):
    """The log entry that made something: its offset, and the entry."""

    offset: int
    entry: LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    One field that is not as the log has it.

    *where* names the place: ``state``, a topic's partition and offset, or a table. *version* is the
    account's, or an alert's sequence, None for a state. *made* is the last log entry that went into it, None
    where no entry did.
    """

    account_id: str
    where: str
    version: int | None
    field: str
    written: Any
    recomputed: Any
    made: Made | None


@dataclass(slots=True)
class Findings:
    """
    What came of a comparison so far: *differences* that nobody took yet, of all how many *fields* of which
    *accounts*.

    *compared* counts what is as it should be, *earlier* what an earlier arithmetic made, which is not
    compared, *lag* what is not written yet; all by what it is: ``states``, ``snapshots``, ``changes``,
    ``alert events``, ``rows``, and of the lag ``entries``.
    """

    differences: list[Difference] = field(default_factory=list)
    fields: int = 0
    accounts: set[str] = field(default_factory=set)
    compared: Counter[str] = field(default_factory=Counter)
    earlier: Counter[str] = field(default_factory=Counter)
    lag: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        account_id: str,
        where: str,
        fields: Iterable[tuple[str, Any, Any]],
        made: Made | None,
        *,
        version: int | None = None,
    ) -> None:
        """Note that *fields* (name, written and recomputed value) differ."""
        found = [
            Difference(
                account_id=account_id,
                where=where,
                version=version,
                field=name,
                written=written,
                recomputed=recomputed,
                made=made,
            )
            for name, written, recomputed in fields
        ]
        self.differences += found
        self.fields += len(found)
        self.accounts.update(difference.account_id for difference in found)

    def take(self) -> list[Difference]:
        """Hand over the differences and forget them; they stay counted."""
        taken, self.differences = self.differences, []
        return taken


class Event(NamedTuple):
    """
    Where an entry of the log comes from; *kind* is ``event``, ``tick`` or ``scorecards``, the rest an event's
    own.
    """

    log_offset: int
    kind: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    event_id: str | None = None

    def __str__(self) -> str:
        """As a line of differences names it."""
        if self.kind != "event":
            return f"the {self.kind} at log offset {self.log_offset}"
        return f"{self.topic}[{self.partition}]@{self.offset} {self.event_id} at log offset {self.log_offset}"


def event_of(made: Made, contract: Contract) -> Event:
    """Name what *made* is; of a history file the topic is the file."""
    entry = made.entry
    match entry.body:
        case Tick():
            return Event(made.offset, "tick")
        case Scorecards():
            return Event(made.offset, "scorecards")
        case body:
            topics = {topic.source: topic.name for topic in contract.inputs}
            topic = topics.get(entry.source.partition(TOPIC_ID_SEPARATOR)[0], entry.source)
            return Event(made.offset, "event", topic, entry.partition, entry.offset, body.event_id)


def differing_fields(
    written: Any, recomputed: Any, path: str = "", *, without: Collection[str] = ()
) -> Iterator[tuple[str, Any, Any]]:
    """
    Path, written and recomputed value of every field that differs, as deep as both have fields.

    Fields named in *without* are left out wherever they are.
    """
    ours, theirs = _parts(recomputed), _parts(written)
    if ours is None or theirs is None or type(written) is not type(recomputed):
        if written != recomputed:
            yield path or "value", written, recomputed
        return
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        if name not in without:
            yield from differing_fields(
                theirs.get(name, _NOTHING), ours.get(name, _NOTHING), _joined(path, name), without=without
            )


def shown(value: Any) -> str:
    """*value* on a line, cut where it is long."""
    text = "nothing" if value is _NOTHING else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _parts(value: Any) -> Mapping[Any, Any] | None:
    """What *value* consists of, by name, key or index; None of what is compared as it is."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, _PLAIN):
        return None
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(value, name) for name in slots} or None


def _joined(path: str, name: Any) -> str:
    return f"{path}[{name}]" if not isinstance(name, str) else f"{path}.{name}" if path else name
