"""A benchmark's figures: one or more values of one thing, told as least, median and most."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from pipeline.cli.rows import print_json, print_table

_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """*values* in *unit*, one a round; what could not be measured on this machine is left out of them."""

    measure: str
    name: str
    unit: str
    values: tuple[float, ...]


def figure(measure: str, name: str, unit: str, values: Iterable[float | None]) -> Figure:
    """A figure of those *values* that there are."""
    known = tuple(value for value in values if value is not None)
    return Figure(measure=measure, name=name, unit=unit, values=known)


def ratio(part: float | None, whole: float | None) -> float | None:
    """*part* over *whole*, None if one is not known or there is nothing to divide by."""
    return part / whole if part is not None and whole else None


def print_figures(figures: Iterable[Figure], *, as_json: bool) -> None:
    """One line a figure, on stdout: a table, or NDJSON with the single values too."""
    if as_json:
        print_json(_row(figure) for figure in figures)
        return
    print_table(
        ("measure", "figure", "min", "median", "max", "unit"),
        [
            (one.measure, one.name, *(_shown(of(one.values)) for of in (min, median, max)), one.unit)
            if one.values
            else (one.measure, one.name, None, None, None, one.unit)
            for one in figures
        ],
        right=(2, 3, 4),
    )


def _row(one: Figure) -> Mapping[str, Any]:
    values = one.values
    spread = {"min": min(values), "median": median(values), "max": max(values)} if values else {}
    return {"measure": one.measure, "figure": one.name, "unit": one.unit, **spread, "values": values}


def _shown(value: float) -> str:
    """Three digits that count, and no fewer than stand before the point."""
    if abs(value) >= 10 ** (_DIGITS - 1) or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{_DIGITS}g}"
