"""
Folds entries that are all there, without steps and recovery: histories in files, and the log read again.

It is the same fold as live. What an account's partition is changes nothing about it, so one fold may take them all,
or several some each.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from pipeline.health.events import NO_EVENT, LogEntry, Scorecards
from pipeline.health.fold import PartitionFold
from pipeline.health.scorecard import ReadScorecards
from pipeline.health.versions import Output

_WHOLE_STEP: Final = 1 << 62
"""Nothing is written between two entries, so a step is never cut."""


def fold_all(
    entries: Iterable[tuple[str, LogEntry]], read_scorecards: ReadScorecards, *, epoch: int = 1
) -> Iterator[tuple[str, Output]]:
    """Every output of *entries* (account id and entry, in log order), each with its account, as *epoch* tells it."""
    fold = PartitionFold(0, read_scorecards, epoch=epoch)
    for offset, (account_id, entry) in enumerate(entries):
        if isinstance(entry.body, NO_EVENT):
            fold.advance(entry, offset, _WHOLE_STEP)
            yield from fold.take_step().outputs  # a step an hour: one an event costs 2 µs, and changes nothing
        else:
            fold.apply(account_id, entry, offset)
    yield from fold.take_step().outputs


def with_scorecards(
    entries: Iterable[tuple[str, LogEntry]], documents: Sequence[str]
) -> Iterator[tuple[str, LogEntry]]:
    """*entries*, scored from the first one on by the scorecards in *documents*."""
    return chain([("", LogEntry(0, "", 0, 0, Scorecards(list(documents))))], entries)
