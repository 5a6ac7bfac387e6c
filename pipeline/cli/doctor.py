"""``telltale doctor``: is everything as it should be? One line per check, and the hint where it is not."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.printing import json_option, print_json
from pipeline.cli.ranges import FiniteRange
from pipeline.errors import TelltaleError

if TYPE_CHECKING:
    from pipeline.ops.checks.check import Finding, Site

_WATCH_SECONDS: Final = 15.0
"""A group that lives commits every few seconds."""


@click.command()
@json_option()
@click.option(
    "--watch", type=FiniteRange(min=1), default=_WATCH_SECONDS, show_default=True, metavar="SECONDS",
    help="How long a group may stand still before it is called stuck.",
)  # fmt: skip
def doctor(*, as_json: bool, watch: float) -> None:
    """
    Check that everything is as it should be.

    Looks at broker, topics, schemas, scorecards, database, clock and consumer groups, and changes nothing.
    Where all is well it answers within seconds. Exit code 1 if a check says FAIL.
    """
    from pipeline.ops.checks.check import Site
    from pipeline.settings import load_settings

    findings = list(examine(Site(load_settings(), watch_seconds=watch)))
    if as_json:
        print_json(map(asdict, findings))
    else:
        for finding in findings:
            click.echo(f"{finding.state:5} {finding.check:11} {finding.says}")
            if finding.hint:
                click.echo(f"{'':17} {finding.hint}")
    sys.exit(1 if any(finding.state == "FAIL" for finding in findings) else 0)


def examine(site: "Site") -> "Iterator[Finding]":
    """Run every check, in order, but those whose need was found missing."""
    from pipeline.ops.checks import CHECKS
    from pipeline.ops.checks.check import Finding

    failed: set[str] = set()
    for check in CHECKS:
        if missing := failed.intersection(check.needs):
            failed.add(check.name)
            want = " and ".join(sorted(missing))
            yield Finding(check=check.name, state="warn", says=f"not checked, for want of {want}")
            continue
        try:
            found = list(check.look(site))
        except TelltaleError as error:
            found = [Finding(check=check.name, state="FAIL", says=str(error), hint=error.hint)]
        if any(finding.state == "FAIL" for finding in found):
            failed.add(check.name)
        yield from found
