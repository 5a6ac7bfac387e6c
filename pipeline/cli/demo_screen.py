"""
What the demo shows: the parts as they start, the portfolio, each story as its alert comes, and how to look
further.
"""

import shlex
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.alert_text import alert_lines, resolved_line
from pipeline.simulate.demo import DemoPlan
from pipeline.simulate.portfolio import ToldStory
from sinks.postgres.answers import PortfolioLine

if TYPE_CHECKING:
    from pipeline.cli.demo_stage import Told

BANDS = ("HEALTHY", "WATCH", "AT_RISK", "CRITICAL", "UNKNOWN")

_SEVERITY_COLOURS = {"CRITICAL": "red", "HIGH": "bright_red", "WARNING": "yellow", "INFO": "cyan"}


class DemoScreen:
    """
    Prints the demo, line by line, so that it reads the same in a terminal and in a file.

    *began* is the start on the monotonic clock: times are told from there. Lines may come from several
    threads.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._live_at = 0.0
        self._names: Mapping[str, str] = {}
        self._one_at_a_time = threading.Lock()
        self._first_alert: float | None = None

    def say(self, *lines: str) -> None:
        """Print *lines* together."""
        with self._one_at_a_time:
            for line in lines:
                click.echo(line)

    def open(self) -> None:
        """Say what this is."""
        self.say(
            f"Telltale {version('telltale')} demo: everything runs here, in memory; "
            "Ctrl-C stops it and leaves nothing behind"
        )

    @contextmanager
    def starting(self, name: str, what: str) -> Iterator[Callable[[str], None]]:
        """
        Show one part with its address and how long it took; the block passes the address to what it is given.
        """
        began = time.monotonic()
        addresses: list[str] = []
        yield addresses.append
        took = time.monotonic() - began
        self.say(f"  {name:<10}{''.join(addresses):<22}{what:<34}ready {took:6.1f} s")

    def loaded(self, accounts: int, days: int, events: int, took: float) -> None:
        """Show what history was scored."""
        what = f"{accounts} accounts, {days} days, {events:,} events scored"
        self.say(f"  {'history':<10}{what:<56}ready {took:6.1f} s", "")

    def portfolio(self, lines: Iterable[PortfolioLine]) -> None:
        """Show accounts per band, and the revenue of those at risk per currency."""
        bands: Counter[str] = Counter()
        at_risk: dict[str, Decimal] = {}
        for line in lines:
            bands.update(line.accounts_by_band)
            if line.currency is not None and line.cmrr_at_risk:
                at_risk[line.currency] = at_risk.get(line.currency, Decimal(0)) + line.cmrr_at_risk
        counts = "   ".join(
            f"{bands[band]} {band.lower().replace('_', ' ')}" for band in BANDS if bands[band]
        )
        money = ", ".join(f"{currency} {amount:,.0f}" for currency, amount in sorted(at_risk.items()))
        self.say(f"Accounts  {counts}", f"At risk   {money or 'nothing'} a month", "")

    def live(self, plan: DemoPlan) -> None:
        """Say that the present has begun, and what to wait for."""
        self._live_at = plan.now.timestamp()
        self._names = {life.profile.account_id: life.profile.name for life in plan.portfolio.lives}
        waited_for = sum(bool(story.signs) for story in plan.stories)
        self.say(f"Now live: {waited_for} stories in the next two minutes, among the usual traffic", "")

    def event(self, line: Mapping[str, Any]) -> None:
        """Show an event of a story as it is sent."""
        seconds = time.time() - self._live_at
        name = self._names[line["account_id"]]
        self.say(f" +{seconds // 60:.0f}:{seconds % 60:02.0f}  {line['type']:<15}{name:<32}{_gist(line)}")

    def alert(self, alert: Mapping[str, Any], heard_at: float) -> None:
        """Show what happened to an alert."""
        if alert["transition"] == "RESOLVED":
            self.say("", click.style(resolved_line(alert), fg="green"), "")
            return
        if self._first_alert is None:
            self._first_alert = time.monotonic() - self._began
        first, *rest = alert_lines(alert, heard_at)
        colour = _SEVERITY_COLOURS[alert["severity"]]
        self.say("", click.style(first, fg=colour, bold=True), *rest, "")

    def summary(
        self, told: "Sequence[Told]", missing: Sequence[ToldStory], unstored: Collection[str]
    ) -> None:
        """Show how each story was told, and what is missing."""
        self.say("Stories")
        for story, alert, seconds in told:
            where = "NOT in Postgres" if alert["alert_id"] in unstored else "in Postgres"
            name = alert["account_name"] or story.account_id
            self.say(f"  {story.story:<20}{name:<32}{alert['sign']:<14}told after {seconds:4.1f} s   {where}")
        for story in missing:
            self.say(f"  {story.story:<20}{self._names[story.account_id]:<32}NO ALERT CAME")
        if self._first_alert is not None:
            self.say(f"  the first alert came {self._first_alert:.1f} s after the start")

    def way_on(self, told: "Sequence[Told]", *, env_file: Path) -> None:
        """Say where to look further while the demo runs: commands that work as they stand there."""
        telltale = own_command()
        example = told[0].story.account_id if told else "ACCOUNT"
        self.say(
            "",
            f"Try, in another terminal, while this runs:   . {env_file}",
            f"  {telltale} explain {example:<28} the events behind every point",
            f"  {telltale} accounts --band critical{'':<11} who else needs a call",
            f"  {telltale} doctor{'':<29} is everything as it should be?",
        )


def own_command() -> str:
    """
    How this installation's ``telltale`` is called from here, in the shell's words: by its name where the
    shell finds it, else by its path.
    """
    path = Path(sys.executable).with_name("telltale")
    found = shutil.which("telltale")
    if found and path.exists() and path.samefile(found):
        return "telltale"
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _gist(line: Mapping[str, Any]) -> str:
    """What an event says, in a few words and without anybody's name."""
    match line["type"]:
        case "login":
            return f"somebody signed in ({line['channel'].lower()})"
        case "support_ticket":
            return f"{line['severity']} {line['step'].lower()}"
        case "invoice":
            return f"{line['step'].lower()}, {line['currency']} {Decimal(line['amount']):,.0f}"
        case "survey":
            answer = f": {line['score']} of {line['scale_max']}" if line["step"] == "ANSWERED" else ""
            return f"{line['kind']} {line['step'].lower()}{answer}"
        case "account":
            return "notice of cancellation" if line.get("notice_given_on") else "facts updated"
        case _:
            return str(line["type"])
