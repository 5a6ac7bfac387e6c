"""
Rows as text, for people and for programs: aligned columns, or one JSON object a line. Printing them is the
caller's.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def json_line(row: Mapping[str, Any]) -> str:
    """One row: times as ISO 8601 in UTC, money as text, so that nothing is lost on the way."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_plain)


def table_lines(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> list[str]:
    """
    Columns as wide as their widest cell; the columns numbered in *right* are flush right. None is shown as
    ``-``.
    """
    flush_right = frozenset(right)
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        placed = [
            text.rjust(width) if number in flush_right else text.ljust(width)
            for number, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(placed).rstrip())
    return lines


def moment(milliseconds: int) -> datetime:
    """Time in ms UTC as Python has it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def _plain(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
