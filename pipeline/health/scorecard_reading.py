"""
Reads scorecards from TOML text and checks them; the only way to a ``ScorecardSet``.

It reads no files: ``pipeline.scorecards`` does that for people, and the fold gets the texts from the log.

    TelltaleError
    └── InvalidScorecards    something in the documents is missing, unknown, of another type or out of range
"""

import re
import reprlib
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from pipeline.errors import TelltaleError
from pipeline.health.components import COMPONENTS
from pipeline.health.curves import Curve, Steps
from pipeline.health.events import Segment
from pipeline.health.scorecard import Between, Runs, Scorecard, ScorecardSet


class Document(NamedTuple):
    """A scorecard's text and the name people know it by."""

    file: str
    text: str


class InvalidScorecards(TelltaleError):  # noqa: N818 - reads as what happened
    """Scorecards that cannot score; the text lists every fault with its file, its line and the way out."""

    def __init__(self, faults: list[str]) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{count} in the scorecards:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


def read_scorecards(documents: Iterable[Document]) -> ScorecardSet:
    """
    Scorecards that together serve every segment, at most one of them for onboarding.

    Raises ``InvalidScorecards`` with all faults at once.
    """
    faults: list[str] = []
    read: list[tuple[Scorecard, str]] = []
    for document in documents:
        reading = _Reading(document)
        card = reading.scorecard()
        faults += reading.faults
        if card is not None and not reading.faults:
            read.append((card, document.text))
    if not faults:
        faults += _set_faults([card for card, _ in read])
    if faults:
        raise InvalidScorecards(faults)
    read.sort(key=lambda pair: pair[0].name)
    return ScorecardSet(tuple(card for card, _ in read), tuple(text for _, text in read))


def _set_faults(cards: list[Scorecard]) -> list[str]:
    names = [card.name for card in cards]
    faults = [
        f'two scorecards are named "{name}": rename one'
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    onboarding = [card.name for card in cards if card.onboarding_days]
    if len(onboarding) > 1:
        faults.append(
            f"only one scorecard can be for onboarding: set onboarding_days = 0 in all but one of {_list(onboarding)}"
        )
    for segment in get_args(Segment):
        serving = [card.name for card in cards if segment in card.segments]
        if len(serving) != 1:
            whom = f"{_list(serving)} all serve" if serving else "no scorecard serves"
            faults.append(f"{whom} the segment {segment}: name it in the segments of exactly one scorecard")
    return faults


class _Fault(ValueError):  # noqa: N818 - becomes a line of InvalidScorecards
    """What is wrong with one value."""


class _Reading:
    """One document on its way to a scorecard; collects the faults instead of stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.faults: list[str] = []

    def scorecard(self) -> Scorecard | None:
        try:
            table = tomllib.loads(self.document.text)
        except ValueError as fault:  # TOMLDecodeError, or the plain one of a number with thousands of digits
            self.faults.append(f"{self.document.file}: not TOML: {fault}")
            return None
        table["weights"] = self._weights(table.get("weights"))
        card: Scorecard | None = self._record(Scorecard, table, "")
        if card is not None:
            self._relations(card)
        return card

    def _weights(self, table: Any) -> list[Any]:
        names = [component.name for component in COMPONENTS]
        if not isinstance(table, dict):
            self._fault("weights", f"is missing: add a table with {_list(names)}")
            return [1.0]
        for name in table:
            if name not in names:
                self._fault(f"weights.{name}", f"is no component: use {_list(names)}")
        weights = [table.get(name) for name in names]
        for name, weight in zip(names, weights, strict=True):
            if weight is None:
                self._fault(
                    f"weights.{name}", "is missing: give it a number from 0 to 100, 0 to leave it out"
                )
            elif not _is_number(weight) or not 0 <= weight <= 100:
                self._fault(f"weights.{name}", f"is {_shown(weight)}: give it a number from 0 to 100")
        return weights

    def _relations(self, card: Scorecard) -> None:
        edges = (card.bands.at_risk_from, card.bands.watch_from, card.bands.healthy_from)
        gap = 2 * card.bands.hysteresis
        if not all(upper - lower > gap for lower, upper in pairwise((0, *edges, 100))):
            self._fault(
                "bands.healthy_from",
                f"the bands must rise, each wider than twice the hysteresis ({gap:g}): {edges}",
            )
        if not sum(card.weights) > 0:
            self._fault("weights", "are all 0: give one component a weight")
        if bool(card.segments) == bool(card.onboarding_days):
            self._fault(
                "segments",
                "must be empty in a scorecard with onboarding_days, and name a segment in all others",
            )

    def _record(self, kind: type[Any], table: Mapping[str, Any], path: str) -> Any:
        """A dataclass of the table's values, None once anything in the document is wrong."""
        hints = get_type_hints(kind, include_extras=True)
        for key in table:
            if key not in hints:
                self._fault(path + key, f"is unknown: take it out, or use {_list(hints)}")
        values = {}
        for name, hint in hints.items():
            if name not in table:
                self._fault(path + name, "is missing: copy it from the scorecard we ship")
            elif is_dataclass(hint) and isinstance(hint, type) and isinstance(table[name], dict):
                values[name] = self._record(hint, table[name], f"{path}{name}.")
            else:
                try:
                    values[name] = _value(hint, table[name])
                except _Fault as fault:
                    self._fault(path + name, str(fault))
        return None if self.faults else kind(**values)

    def _fault(self, path: str, problem: str) -> None:
        line = _line_of(self.document.text, path)
        self.faults.append(f"{self.document.file}{f' line {line}' if line else ''}: {path} {problem}")


def _value(hint: Any, value: Any) -> Any:
    """The value as *hint* wants it. Raises ``_Fault``."""
    hint, limits = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    if isinstance(limits, Runs):
        return _curve(hint, limits, value)
    kind, kinds = get_origin(hint), get_args(hint)
    if kind is tuple:
        length = len(value) if kinds[-1] is Ellipsis and isinstance(value, list) else len(kinds)
        if not isinstance(value, list) or len(value) != length:
            raise _Fault(f"must be a list of {length} values")
        return tuple(_value(Annotated[kinds[0], limits] if limits else kinds[0], item) for item in value)
    if kind is Literal:
        if value not in kinds:
            raise _Fault(f"is {_shown(value)}: use {_list(kinds)}")
        return value
    return _text(value) if hint is str else _number(hint, limits, value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _Fault(f"is {_shown(value)}: give it a text")
    return value


def _number(kind: type[int | float], limits: Between | None, value: Any) -> int | float:
    if not _is_number(value) or (kind is int and not isinstance(value, int)):
        raise _Fault(f"is {_shown(value)}: give it a {'whole ' if kind is int else ''}number")
    if limits is not None and not limits.least <= value <= limits.most:
        raise _Fault(f"is {_shown(value)}: it can be {limits.least:g} to {limits.most:g}")
    return kind(value)


def _curve(kind: type[Curve | Steps], limits: Runs, value: Any) -> Curve | Steps:
    points = value if isinstance(value, list) else []
    if not points or not all(isinstance(p, list) and len(p) == 2 and all(map(_is_number, p)) for p in points):
        raise _Fault("must be a list of points [x, y]")
    xs, ys = (tuple(map(float, column)) for column in zip(*points, strict=True))
    if any(x1 >= x2 for x1, x2 in pairwise(xs)):
        raise _Fault("must have points whose x rises")
    if not all(0 <= y <= limits.most for y in ys):
        raise _Fault(f"must have heights of 0 to {limits.most:g}")
    if limits.way == "up" and list(ys) != sorted(ys):
        raise _Fault("must not fall: a larger value cannot score worse here")
    if limits.way == "down" and list(ys) != sorted(ys, reverse=True):
        raise _Fault("must not rise: a larger value cannot score better here")
    return kind(xs, ys)


def _line_of(text: str, path: str) -> int | None:
    """Line, from 1, of a key or of the table that should hold it; TOML readers do not tell."""
    table, _, key = path.rpartition(".")
    here, found = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w.]+)\s*\]", line):
            here = header[1]
            if here in (table, path):
                found = number
        elif here == table and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return found


def _is_number(value: Any) -> bool:
    """Whether *value* is one, and no larger than a float can be; TOML's integers have no end here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _shown(value: Any) -> str:
    """*value* as a fault tells it."""
    try:
        return reprlib.repr(value)
    except ValueError:  # a hexadecimal number with thousands of digits
        return "too long to show"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
