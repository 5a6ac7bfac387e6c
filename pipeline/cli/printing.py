"""Prints rows for people and for programs: aligned columns, or one JSON object a line. Always stdout."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from pipeline.ops.text_rows import json_line, table_lines


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """NDJSON, see ``json_line``."""
    for row in rows:
        click.echo(json_line(row))


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> None:
    """Print ``table_lines``."""
    click.echo("\n".join(table_lines(headings, rows, right=right)))
