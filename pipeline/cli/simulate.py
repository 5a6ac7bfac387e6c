"""
``telltale simulate``: the events of an invented portfolio, as a history file that ``telltale ingest`` reads.
"""

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from pipeline.ops.text_rows import json_line
from pipeline.simulate.portfolio import WARM_UP_DAYS, ndjson, portfolio

_BEGINS: Final = datetime(2000, 1, 1, tzinfo=UTC)
_ENDS: Final = datetime(2098, 1, 1, tzinfo=UTC)
"""The intake takes times until 2100, and contracts are renewed up to thirteen months after the end."""


@click.command()
@click.option(
    "--accounts", default=200, show_default=True, type=click.IntRange(1, 100_000), help="How many accounts."
)
@click.option("--days", default=120, show_default=True, type=click.IntRange(1, 3650), help="Days of history.")
@click.option(
    "--seed", default=1, show_default=True, help="The same seed, length and end give the same lines."
)
@click.option(
    "--end",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="When the history ends, UTC.  [default: last midnight]",
)
@click.option(
    "--stories",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what happens to whom, and the signs that must show, into this file.",
)
def simulate(accounts: int, days: int, seed: int, end: datetime | None, stories: Path | None) -> None:
    """
    Write the events of invented accounts, as lines of JSON.

    Some accounts live a story (they go dark, lose their champion, dispute invoices), others only look as if;
    a history must be longer than the days of usual life that come before a story. Load it with `telltale
    ingest --history`.
    """
    last = (
        end.replace(tzinfo=UTC)
        if end
        else datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    if not _BEGINS + timedelta(days=days) <= last <= _ENDS:
        raise click.BadParameter(
            f"the {days} days of history must lie between {_BEGINS.date()} and {_ENDS.date()}",
            param_hint="--end",
        )
    told = portfolio(seed=seed, accounts=accounts, start=last - timedelta(days=days), end=last)
    if not told.stories:
        click.echo(f"no stories: they begin after {WARM_UP_DAYS} days of usual life", err=True)
    if stories:
        rows = (asdict(story) | {"signs": sorted(story.signs)} for story in told.stories)
        stories.write_text("".join(json_line(row) + "\n" for row in rows))
    sys.stdout.writelines(ndjson(told.lines()))
