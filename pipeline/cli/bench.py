"""``telltale bench``: what this machine does with this program, measured in one run."""

from collections.abc import Callable
from typing import Final

import click

from pipeline.cli.benchmark.figures import Figure, print_figures
from pipeline.cli.benchmark.fold import measure_fold
from pipeline.cli.benchmark.machine import describe
from pipeline.cli.benchmark.stage import Stage, open_stage
from pipeline.cli.rows import print_json
from pipeline.cli.run import stop_on_sigterm

_ZIPF: Final = 0.9


@click.command()
@click.option("--only", default="", help="Measurements to make, separated by commas.")
@click.option("--brokers", default="")
@click.option("--accounts", default=20_000)
@click.option("--events", default=1_000_000)
@click.option("--rounds", default=3)
@click.option("--json", "as_json", is_flag=True)
def bench(*, only: str, brokers: str, accounts: int, events: int, rounds: int, as_json: bool) -> None:
    """Measure this machine."""
    with open_stage(brokers, lambda line: click.echo(line, err=True)) as stage:
        print_figures(measure_fold(stage, "fold", accounts=accounts, events=events, skew=0.9, rounds=rounds), as_json=as_json)
