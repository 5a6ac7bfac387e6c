"""
A share of a history: the lines of some of its accounts, or of all, and the log entries they become.

What the lines of a share are is decided by ``history.py``. A share can be sent to another process and be read
there, by itself: its ticks are those of the whole history.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from pipeline.health.events import LogEntry, Tick
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Code, Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.history_lines import HistoryFile, OrderedLines
from pipeline.wire.ndjson import EventLines

TICK_INTERVAL: Final = 3_600_000
"""Ticks come at full hours, ms."""

LEFT_OUT: Final[frozenset[Code]] = frozenset(
    {"unresolved_account", "ambiguous_account", "unsupported_action"}
)
"""
Live, such a record waits in the dead-letter topic for its account, or for a release that knows what to do
with it; a history without it is still a history.
"""


class FaultyLine(Exception):  # noqa: N818 - reads as what happened
    """
    A line that cannot be used, in a history that was not checked; ``History.check`` tells which, and why.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryShare:
    """
    Some lines and what it takes to read them.

    *directory* knows every account of *files*; *first* and *last* are the times of the whole history, ms UTC.
    """

    files: tuple[HistoryFile, ...]
    lines: OrderedLines
    directory: AccountDirectory
    first: int
    last: int

    def by_account(self) -> Iterator["HistoryShare"]:
        """The share in the smallest shares there are, of one account each or a few."""
        return (replace(self, lines=lines) for lines in self.lines.by_bucket())


class ShareReader:
    """
    Reads a share.

    Once its lines were read, *events* counts them, *left_out* by code those in ``LEFT_OUT``.
    """

    def __init__(self, share: HistoryShare, *, contract: Contract, pseudonyms: Pseudonyms) -> None:
        self.events = 0
        self.left_out: Counter[Code] = Counter()
        self._share = share
        self._read = EventLines(contract).read
        self._decide = Intake(directory=share.directory, pseudonyms=pseudonyms).process

    def entries(self, until: int | None = None) -> Iterator[tuple[str, LogEntry]]:
        """
        Account id and log entry of every event observed up to *until* (ms UTC; of all, unless given), with
        ticks.

        What was observed is followed by a tick at the last full hour before the next; one at the end, *until*
        or the last event's time, is the last entry. A tick fires all that was due up to it, each as of its
        own time, so one for many hours is as good as one at each. A tick's account id is empty. Raises
        ``FaultyLine``, for later lines too.
        """
        share = self._share
        end = share.last if until is None else until
        ticked = share.first - 1
        for source, number, line in share.lines.read(share.files):
            self.events += 1
            received = self._read(line, source, number)
            if isinstance(received, Rejected):
                raise FaultyLine
            observed_at = received.timestamp
            decision = self._decide(received, observed_at)
            if isinstance(decision, Rejected):
                if decision.code not in LEFT_OUT:
                    raise FaultyLine
                self.left_out[decision.code] += 1
            elif observed_at <= end:
                if (hour := _hour_before(observed_at)) > ticked:
                    yield "", _tick(hour)
                    ticked = hour
                yield decision
        if (hour := _hour_before(end)) > ticked:
            yield "", _tick(hour)
        yield "", _tick(end)


def _hour_before(at: int) -> int:
    """The last full hour before *at*, ms UTC."""
    return (at - 1) // TICK_INTERVAL * TICK_INTERVAL


def _tick(at: int) -> LogEntry:
    return LogEntry(at, "", 0, 0, Tick())
