"""
Folds entries that are all there, without steps and recovery: histories in files, and the log read again.

It is the same fold as live. What an account's partition is changes nothing about it, so one fold may take them all.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.scorecard import ScorecardSet
from pipeline.health.versions import Output

_WHOLE_STEP = 1 << 62
"""Nothing is written between two entries, so a step is never cut."""


def fold_all(entries: Iterable[tuple[str, LogEntry]]) -> Iterator[tuple[str, Output]]:
    """Every output of *entries* (account id and entry, in log order), each with its account."""
    fold = PartitionFold(0)
    for offset, (account_id, entry) in enumerate(entries):
        if isinstance(entry.body, Tick | Scorecards):
            fold.advance(entry, offset, _WHOLE_STEP)
        else:
            fold.apply(account_id, entry, offset)
        yield from fold.take_step().outputs


def with_scorecards(
    entries: Iterable[tuple[str, LogEntry]], scorecards: ScorecardSet
) -> Iterator[tuple[str, LogEntry]]:
    """*entries*, scored by *scorecards* from the first one on."""
    return chain([("", LogEntry(0, "", 0, 0, Scorecards(list(scorecards.documents))))], entries)
