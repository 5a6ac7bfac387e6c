"""
``telltale bench``: what this program does on this machine, all in one run, each beside what it is compared
with.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

import click

from pipeline.bench.results import Result, result_row, shown
from pipeline.cli.printing import json_option, print_json, print_table
from pipeline.cli.run import stop_on_sigterm

if TYPE_CHECKING:
    from pipeline.bench.stage import Stage

_ZIPF: Final = 0.9
"""The busiest of 20,000 accounts has 6 % of the events then, the one in the middle 14 of a million."""

_WHOLE_PART: Final = 4
_RESTORED_TIMES: Final = 5

Measurement: TypeAlias = "Callable[[Stage], list[Result]]"


@click.command()
@click.option(
    "--only", metavar="NAMES", help="Of fold, uniform, whole, latency and restore, separated by commas."
)
@click.option(
    "--events", default=1_000_000, show_default=True, type=click.IntRange(1_000), help="Events of one log."
)
@click.option(
    "--accounts", default=20_000, show_default=True, type=click.IntRange(10), help="Accounts they are about."
)
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1), help="How often each is measured."
)
@click.option(
    "--brokers", default="", help="Use this Kafka, without TLS; topics stay there.  [default: one of its own]"
)
@json_option("One JSON object a line, with the value of each round.")
def bench(*, only: str | None, events: int, accounts: int, rounds: int, brokers: str, as_json: bool) -> None:
    """
    Measure this machine: throughput, latency, recovery.

    fold: the health worker on a log that is already there, and beside it the same fold behind a plain Faust
    agent; the busiest accounts have most of the events. uniform: the same, with events spread evenly. whole:
    intake and health side by side, on a quarter of the events. latency: event to row in Postgres at 1,000
    events a second. restore: a worker is killed and started again, with five times the accounts. All of it
    takes half an hour.

    Needs Java 17 and Maven for an Apache Kafka of its own. Nothing else should run on the machine meanwhile.
    """
    from pipeline.bench.fold import measure_fold
    from pipeline.bench.latency import measure_latency
    from pipeline.bench.machine import describe
    from pipeline.bench.restore import measure_restore
    from pipeline.bench.stage import open_stage
    from pipeline.bench.whole import measure_whole

    stop_on_sigterm()
    load = partial(measure_fold, accounts=accounts, events=events, rounds=rounds)
    measurements: Mapping[str, Measurement] = {
        "fold": lambda stage: load(stage, "fold", skew=_ZIPF),
        "uniform": lambda stage: load(stage, "uniform", skew=0),
        "whole": partial(measure_whole, accounts=accounts, events=events // _WHOLE_PART, skew=_ZIPF),
        "latency": measure_latency,
        "restore": partial(measure_restore, accounts=accounts * _RESTORED_TIMES, rounds=rounds),
    }
    chosen = only.split(",") if only else list(measurements)
    unknown = ", ".join(name for name in chosen if name not in measurements)
    if unknown:
        raise click.BadParameter(f"{unknown}; known are {', '.join(measurements)}", param_hint="--only")
    if as_json:
        print_json([{"measure": "machine", **describe()}])
    else:
        click.echo("  ".join(f"{name}: {value}" for name, value in describe().items()))
    for name in chosen:
        # A broker for each, so that none is slowed down by the logs of another.
        with open_stage(brokers, lambda line: click.echo(line, err=True)) as stage:
            # Told at once: who stops the command keeps what was measured before.
            _print_results(measurements[name](stage), as_json=as_json)


def _print_results(results: Iterable[Result], *, as_json: bool) -> None:
    """One line a result: a table, or NDJSON with the single values too."""
    if as_json:
        print_json(map(result_row, results))
        return
    print_table(
        ("measure", "result", "min", "median", "max", "unit"),
        [
            (one.measure, one.name, *(shown(of(one.values)) for of in (min, median, max)), one.unit)
            if one.values
            else (one.measure, one.name, None, None, None, one.unit)
            for one in results
        ],
        right=(2, 3, 4),
    )
