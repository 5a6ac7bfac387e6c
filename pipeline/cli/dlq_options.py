"""The options that all of ``telltale dlq`` share: which dead letters a command is about."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

import click

from pipeline.cli.printing import json_option
from pipeline.intake.received import CODES

_AGO: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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


class _DeadLetterName(click.ParamType):
    """The name of a dead letter as ``ls`` prints it."""

    name = "dead_letter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pipeline.ops.dead_letter_reader import DEAD_LETTER_NAME

        if DEAD_LETTER_NAME.fullmatch(value) is None:
            self.fail(
                f"{value!r} is no dead letter; `telltale dlq ls` names them like login:2:17", param, ctx
            )
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
        "--since", type=_Moment(), help="Only dead-lettered from then on: 2026-01-31T12:00 (UTC), or 2h ago."
    ),
    click.option("--until", type=_Moment(), help="Only dead-lettered before then."),
    click.option(
        "--dead-letter", "names", multiple=True, type=_DeadLetterName(), help="Only this one, as ls names it."
    ),
    json_option(),
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
        from pipeline.ops.dead_letter_reader import Choice

        choice = Choice(codes=codes, sources=sources, names=names, since=since, until=until)
        command(choice, **others)

    for option in reversed(_OPTIONS):
        chosen = option(chosen)
    return chosen
