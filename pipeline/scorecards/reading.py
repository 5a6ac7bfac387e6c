"""
Reads scorecards from TOML text and checks them; the only way to a ``ScorecardSet``.

Documents of every age are read: what is missing takes the default that the core's dataclasses declare, and a
component or sign that is not named is off. What is unknown is refused, for it may be a typing error, or the
scorecard of a newer release.

    TelltaleError
    └── InvalidScorecards    something in a document is unknown, wrong, or missing without a default
"""

import json
import re
import reprlib
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from pipeline.errors import TelltaleError
from pipeline.health.components import COMPONENTS
from pipeline.health.events import Segment
from pipeline.health.scorecard import Scorecard, ScorecardSet
from pipeline.scorecards.models import FAULT, card_model, value_of

_card_model = cache(card_model)


class Document(NamedTuple):
    """A scorecard's text and the name people know it by."""

    file: str
    text: str


class InvalidScorecards(TelltaleError):  # noqa: N818 - reads as what happened
    """Scorecards that cannot score; the text lists every fault with its file, its line and what to do."""

    def __init__(self, faults: list[str], *, where: str = "the scorecards", hint: str = "") -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"{count} in {where}:\n" + "\n".join(f"  {fault}" for fault in faults), hint=hint)
        self.faults = faults


def read_scorecards(documents: Iterable[Document]) -> ScorecardSet:
    """
    Scorecards that together serve every segment, at most one of them for onboarding.

    Raises ``InvalidScorecards`` with all faults at once.
    """
    faults: list[str] = []
    read: list[tuple[Scorecard, str]] = []
    for document in documents:
        card = _read(document, faults)
        if card is not None:
            read.append((card, document.text))
    if not faults:
        faults += _set_faults([card for card, _ in read])
    if faults:
        raise InvalidScorecards(faults)
    read.sort(key=lambda pair: pair[0].name)
    return ScorecardSet(tuple(card for card, _ in read), tuple(text for _, text in read))


@lru_cache(8)  # a replay folds each account by itself, and reading takes some 20 ms
def read_documents(texts: tuple[str, ...]) -> ScorecardSet:
    """
    The scorecards of a log entry, as ``health.scorecard.ReadScorecards`` wants it.

    Raises ``InvalidScorecards``: whoever wrote them there had checked them, so it was a newer release.
    """
    try:
        return read_scorecards(Document(f"document {number}", text) for number, text in enumerate(texts, 1))
    except InvalidScorecards as invalid:
        raise InvalidScorecards(
            invalid.faults,
            where="the scorecards of the account log",
            hint="A newer release has written them: start that one again (docs/upgrade.md).",
        ) from None


def _read(document: Document, faults: list[str]) -> Scorecard | None:
    """The scorecard in *document*; None if anything is wrong with it, which is added to *faults*."""
    try:
        table = tomllib.loads(document.text)
    except ValueError as fault:  # TOMLDecodeError, or the plain one of a number with thousands of digits
        faults.append(f"{document.file}: not TOML: {fault}")
        return None
    try:
        model = _card_model().model_validate(table)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            path = ".".join(part for part in error["loc"] if isinstance(part, str))
            faults.append(_told(document, path, _problem(path, error, _card_model())))
        return None
    weights = [getattr(model.weights, component.name) for component in COMPONENTS]  # type: ignore[attr-defined]
    card: Scorecard = value_of(
        Scorecard,
        model,
        {
            "digest": _digest(table),
            "weights": tuple(weight or 0.0 for weight in weights),
            "left_off": tuple(place for place, weight in enumerate(weights) if weight is None),
        },
    )
    wrong = [_told(document, path, problem) for path, problem in _relations(card)]
    faults += wrong
    return None if wrong else card


def _digest(table: dict[str, Any]) -> str:
    """Sixteen hexadecimal digits for what *table* says, whatever its comments and its order."""
    return blake2b(json.dumps(table, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def _relations(card: Scorecard) -> Iterable[tuple[str, str]]:
    """Path and problem of what is wrong between fields that are right by themselves."""
    edges = (card.bands.at_risk_from, card.bands.watch_from, card.bands.healthy_from)
    gap = 2 * card.bands.hysteresis
    if not all(upper - lower > gap for lower, upper in pairwise((0, *edges, 100))):
        yield (
            "bands.healthy_from",
            f"the bands must rise, each wider than twice the hysteresis ({gap:g}): {edges}",
        )
    if not sum(card.weights) > 0:
        yield "weights", "are all 0: give one component a weight"
    if bool(card.segments) == bool(card.onboarding_days):
        yield (
            "segments",
            "must be empty in a scorecard with onboarding_days, and name a segment in all others",
        )


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


def _problem(path: str, error: Any, model: type[BaseModel]) -> str:  # noqa: C901, PLR0911 - one a kind of error
    """What is wrong with a value, and what to do about it."""
    table, _, key = path.rpartition(".")
    is_ = f"is {_shown(error['input'])}"
    match error["type"]:
        case kind if kind == FAULT and error["msg"].startswith("must "):
            return str(error["msg"])
        case kind if kind == FAULT:
            return f"{is_}: {error['msg']}"
        case "missing" if path == "weights":
            return f"is missing: add a table with {_list(_names_in(model, path))}"
        case "missing":
            return "is missing: give it a text"
        case "extra_forbidden" if table == "weights":
            return f"is no component: {_known(key, _names_in(model, table))}"
        case "extra_forbidden":
            return f"is unknown: take it out, or {_known(key, _names_in(model, table))}"
        case "literal_error":
            return f"{is_}: use {error['ctx']['expected']}"
        case "model_type":
            return f"{is_}: make it a table, [{path}]"
        case "too_short" | "too_long":
            return f"must be a list of {error['ctx'].get('min_length') or error['ctx']['max_length']} values"
        case "list_type":
            return "must be a list"
        case _:
            return f"{is_}: give it a text"


def _names_in(model: type[BaseModel], path: str) -> list[str]:
    """Fields of the table at *path*."""
    for name in filter(None, path.split(".")):
        hint = model.model_fields[name].annotation
        model = next(kind for kind in (*get_args(hint), hint) if kind is not type(None))
    return list(model.model_fields)


def _known(key: str, names: list[str]) -> str:
    """The field that was probably meant, or all there are."""
    near = get_close_matches(key, names, n=1)
    return f"use {near[0]}" if near else f"use {_list(names)}"


def _told(document: Document, path: str, problem: str) -> str:
    line = _line_of(document.text, path)
    return f"{document.file}{f' line {line}' if line else ''}: {path} {problem}"


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


def _shown(value: Any) -> str:
    """*value* as a fault tells it."""
    try:
        return reprlib.repr(value)
    except ValueError:  # a hexadecimal number with thousands of digits
        return "too long to show"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
