"""
Prints rows for people and for programs: aligned columns, or one JSON object a line. Always stdout.

Every command that tells something has ``--json``, see ``json_option``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

from pipeline.ops.text_rows import json_line, table_lines

_Function = TypeVar("_Function", bound=Callable[..., Any])


def json_option(help_text: str = "One JSON object a line.") -> Callable[[_Function], _Function]:
    """The option ``--json`` of a command, which gets it as ``as_json``; *help_text* says what a row is."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """NDJSON, see ``json_line``."""
    for row in rows:
        click.echo(json_line(row))


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[int] = ()
) -> None:
    """Print ``table_lines``."""
    click.echo("\n".join(table_lines(headings, rows, right=right)))
