"""
Folds entries that are all there, without steps and recovery: histories in files, and the log read again.

It is the same fold as live. What an account's partition is changes nothing about it, so one fold may take
them all, or several some each.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from pipeline.health.events import NO_EVENT, LogEntry, Scorecards
from pipeline.health.fold import PartitionFold
from pipeline.health.scorecard import ReadScorecards
from pipeline.health.versions import Output


def fold_all(
    entries: Iterable[tuple[str, LogEntry]], read_scorecards: ReadScorecards, *, epoch: int = 1
) -> Iterator[tuple[str, Output]]:
    """
    Every output of *entries* (account id and entry, in log order), each with its account, as *epoch* tells
    it.
    """
    fold = PartitionFold(0, read_scorecards, epoch=epoch)
    for offset, (account_id, entry) in enumerate(entries):
        fold.take(account_id, entry, offset)
        if isinstance(entry.body, NO_EVENT):
            # a step an hour; one an event would change nothing, and cost more
            yield from fold.take_step().outputs
    yield from fold.take_step().outputs


def with_scorecards(
    entries: Iterable[tuple[str, LogEntry]], documents: Sequence[str]
) -> Iterator[tuple[str, LogEntry]]:
    """*entries*, scored from the first one on by the scorecards in *documents*."""
    return chain([("", LogEntry(0, "", 0, 0, Scorecards(list(documents))))], entries)
