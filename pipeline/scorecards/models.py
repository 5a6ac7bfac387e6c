"""
Scorecards as pydantic models, made from the core's dataclasses: what a field may be is declared there, once.

Reading texts with them, and telling what is wrong, is in ``reading``.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, create_model
from pydantic_core import PydanticCustomError

from pipeline.health.components import COMPONENTS
from pipeline.health.curves import Curve, Steps
from pipeline.health.scorecard import Between, Runs, Scorecard

FAULT: Final = "fault"
"""Type of the errors that are made here; their message says what is wrong and what to do."""

_CONFIG: Final = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)
_WEIGHT: Final = Between(0, 100)


def model_of(kind: type[Any], special: Mapping[str, Any] | None = None) -> type[BaseModel]:
    """
    The model of dataclass *kind*; *special* are fields that the document has in another form, None of those
    it has not.
    """
    hints = get_type_hints(kind, include_extras=True)
    declared: dict[str, Any] = {}
    for field in fields(kind):
        table = _table_of(hints[field.name])
        if table is None:
            declared[field.name] = (
                _hint(hints[field.name]),
                ... if field.default is MISSING else field.default,
            )
        elif field.default is None:
            declared[field.name] = model_of(table) | None, None
        else:  # a document without the table has one without fields
            model = model_of(table)
            declared[field.name] = model, Field(default_factory=model)
    declared |= special or {}
    known = {name: declaration for name, declaration in declared.items() if declaration is not None}
    return create_model(kind.__name__, __config__=_CONFIG, **known)


def card_model() -> type[BaseModel]:
    """
    The model of a document; its weights have a field for each component, None where the document does not
    name it.
    """
    weight = Annotated[
        float, BeforeValidator(_number_check(float, _WEIGHT, "give it a number from 0 to 100"))
    ]
    by_name: dict[str, Any] = {component.name: (weight | None, None) for component in COMPONENTS}
    weights = create_model("Weights", __config__=_CONFIG, **by_name)
    return model_of(Scorecard, {"weights": (weights, ...), "left_off": None, "digest": None})


def value_of(kind: type[Any], model: BaseModel, special: Mapping[str, Any] | None = None) -> Any:
    """The dataclass *kind* that *model* describes, with the fields in *special* as they are given."""
    values: dict[str, Any] = dict(special or {})
    for name, hint in get_type_hints(kind).items():
        if name not in values:
            value, table = getattr(model, name), _table_of(hint)
            if table is not None and value is not None:
                value = value_of(table, value)
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _table_of(hint: Any) -> type[Any] | None:
    """The dataclass a field holds, or may hold; None of a field with a plain value."""
    for kind in get_args(hint) or (hint,):
        if isinstance(kind, type) and is_dataclass(kind) and kind not in {Curve, Steps}:
            return kind
    return None


def _hint(hint: Any) -> Any:
    """The type of a dataclass's field in pydantic's words."""
    limits = None
    if get_origin(hint) is Annotated:
        hint, limits = get_args(hint)
    if isinstance(limits, Runs):
        return Annotated[Any, PlainValidator(_curve_reader(hint, limits))]
    if get_origin(hint) is tuple:
        first, *others = get_args(hint)
        item: Any = _hint(Annotated[first, limits] if limits else first)
        length = None if others == [Ellipsis] else 1 + len(others)
        return Annotated[list[item], BeforeValidator(_as_list), Field(min_length=length, max_length=length)]
    if hint in {int, float}:
        return Annotated[hint, BeforeValidator(_number_check(hint, limits))]
    return Annotated[str, Field(min_length=1)] if hint is str else hint


def _number_check(
    kind: type[int | float], limits: Between | None, wanted: str = ""
) -> Callable[[Any], int | float]:
    wanted = wanted or f"give it a {'whole ' if kind is int else ''}number"

    def check(value: Any) -> int | float:
        if not _is_number(value) or (kind is int and not isinstance(value, int)):
            raise PydanticCustomError(FAULT, wanted)
        if limits is not None and not limits.least <= value <= limits.most:
            rule = wanted if limits is _WEIGHT else f"it can be {limits.least:g} to {limits.most:g}"
            raise PydanticCustomError(FAULT, rule)
        return kind(value)

    return check


def _curve_reader(kind: type[Curve | Steps], limits: Runs) -> Callable[[Any], Curve | Steps]:
    def read(value: Any) -> Curve | Steps:
        points = list(zip(value.xs, value.ys, strict=True)) if isinstance(value, kind) else value
        fault = _curve_fault(points, limits)
        if fault:
            raise PydanticCustomError(FAULT, fault)
        xs, ys = (tuple(map(float, column)) for column in zip(*points, strict=True))
        return kind(xs, ys)

    return read


def _curve_fault(points: Any, limits: Runs) -> str:
    """What is wrong with the points of a curve; empty if nothing is."""
    pairs = points if isinstance(points, list) else []
    if not pairs or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(map(_is_number, pair)) for pair in pairs
    ):
        return "must be a list of points [x, y]"
    xs, ys = zip(*pairs, strict=True)
    if any(x1 >= x2 for x1, x2 in pairwise(xs)):
        return "must have points whose x rises"
    if not all(0 <= y <= limits.most for y in ys):
        return f"must have heights of 0 to {limits.most:g}"
    if limits.way == "up" and any(y1 > y2 for y1, y2 in pairwise(ys)):
        return "must not fall: a larger value cannot score worse here"
    if limits.way == "down" and any(y1 < y2 for y1, y2 in pairwise(ys)):
        return "must not rise: a larger value cannot score better here"
    return ""


def _is_number(value: Any) -> bool:
    """Whether *value* is one, and no larger than a float can be; TOML's integers have no end here."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _as_list(value: Any) -> Any:
    """A default is a tuple, as the core has it."""
    return list(value) if isinstance(value, tuple) else value
