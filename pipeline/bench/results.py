"""A benchmark's results: one or more values of one thing, told as least, median and most."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """*values* in *unit*, one a round; what could not be measured on this machine is left out of them."""

    measure: str
    name: str
    unit: str
    values: tuple[float, ...]


def result(measure: str, name: str, unit: str, values: Iterable[float | None]) -> Result:
    """A result of those *values* that there are."""
    known = tuple(value for value in values if value is not None)
    return Result(measure=measure, name=name, unit=unit, values=known)


def ratio(part: float | None, whole: float | None) -> float | None:
    """*part* over *whole*, None if one is not known or there is nothing to divide by."""
    return part / whole if part is not None and whole else None


def result_row(one: Result) -> Mapping[str, Any]:
    """A result for a program, with the single values too."""
    values = one.values
    spread = {"min": min(values), "median": median(values), "max": max(values)} if values else {}
    return {"measure": one.measure, "result": one.name, "unit": one.unit, **spread, "values": values}


def shown(value: float) -> str:
    """Three digits that count, and no fewer than stand before the point."""
    if abs(value) >= 10 ** (_DIGITS - 1) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{_DIGITS}g}"
