"""
History files as rows of scores and alerts: folded on one core or on several, with the same rows in the same
order.

Nothing is written here, so a history need not be checked before: a fault is met on the way.
"""

import gc
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.health.outputs import AlertEvent, HealthSnapshot
from pipeline.health.replay import fold_all, with_scorecards
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Code
from pipeline.ops.parallel import in_processes
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.history import open_history
from pipeline.wire.history_share import FaultyLine, HistoryShare, ShareReader

# People are only told apart here and no pseudonym gets out, so a fixed key serves: the same bytes anywhere.
_KEY: Final = b"telltale replay: is never written"

_WORTH_A_PROCESS: Final = 5_000_000
"""Bytes, some 20,000 events: fewer are folded about as fast as another process is started."""


class ScoreRow(NamedTuple):
    """One version of an account's health."""

    account_id: str
    as_of: str
    version: int
    score: float | str
    band: str
    coverage: float


class AlertRow(NamedTuple):
    """One alert with the severity it had last; *resolved_at* is empty while it is open."""

    alert_id: str
    account_id: str
    sign: str
    severity: str
    opened_at: str
    resolved_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """
    What became of a history's *events*.

    *scores* are in the order of as_of, account_id and version, *alerts* of opened_at and alert_id; *left_out*
    counts by code the events that a history may leave out.
    """

    events: int
    scores: list[ScoreRow]
    alerts: list[AlertRow]
    left_out: Counter[Code]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    share: HistoryShare
    until: int | None
    scorecards: Sequence[str]


def score_files(
    paths: Sequence[Path],
    *,
    scorecards: Sequence[str],
    until: int | None = None,
    processes: int | None = None,
) -> Scored:
    """
    Fold the files at *paths*, scored by the documents *scorecards*, up to *until* (ms UTC; unless given, to
    their end).

    Of *processes* nothing shows in the rows; unless given, they are as many as the machine has cores and the
    events are worth. Raises ``BadHistory`` with all faults, ``WorkerDied``.
    """
    history = open_history(paths, contract=Contract.load(), pseudonyms=Pseudonyms(_KEY), checked=False)
    if processes is None:
        size = sum(path.stat().st_size for path in paths)
        processes = max(1, min(os.cpu_count() or 1, size // _WORTH_A_PROCESS))
    tasks = [_Task(share=share, until=until, scorecards=scorecards) for share in history.shares(processes)]
    found = [_fold(task) for task in tasks] if processes == 1 else in_processes(_fold, tasks)
    parts = [part for part in found if part is not None]
    if len(parts) == len(found):
        return _together(parts)
    history.check()
    raise AssertionError("a line that cannot be used has become usable: the files were changed meanwhile")


def _together(parts: Sequence[Scored]) -> Scored:
    return Scored(
        events=sum(part.events for part in parts),
        scores=sorted(
            (row for part in parts for row in part.scores), key=attrgetter("as_of", "account_id", "version")
        ),
        alerts=sorted(
            (row for part in parts for row in part.alerts), key=attrgetter("opened_at", "alert_id")
        ),
        left_out=sum((part.left_out for part in parts), Counter()),
    )


def _fold(task: _Task) -> Scored | None:
    """The rows of a share, in no order; ``None`` if it has a fault."""
    contract, pseudonyms = Contract.load(), Pseudonyms(_KEY)
    scores: list[ScoreRow] = []
    alerts: dict[str, AlertRow] = {}
    events, left_out = 0, Counter[Code]()
    with _without_collecting():
        # One account after the other, for what is of one account is near by in the processor's memory: a
        # tenth less.
        for share in task.share.by_account():
            reader = ShareReader(share, contract=contract, pseudonyms=pseudonyms)
            try:
                for account_id, output in fold_all(
                    with_scorecards(reader.entries(task.until), task.scorecards), read_documents
                ):
                    if isinstance(output, HealthSnapshot):
                        scores.append(_score_row(account_id, output))
                    elif isinstance(output, AlertEvent):
                        alerts[output.alert_id] = _alert_row(output)
            except FaultyLine:
                return None
            events += reader.events
            left_out += reader.left_out
    return Scored(events=events, scores=scores, alerts=list(alerts.values()), left_out=left_out)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """A fold makes no cycles, and looking for some costs it a sixth of its time."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def _score_row(account_id: str, snapshot: HealthSnapshot) -> ScoreRow:
    score = "" if snapshot.score is None else snapshot.score
    return ScoreRow(
        account_id, _iso(snapshot.as_of), snapshot.version, score, snapshot.band, snapshot.coverage
    )


def _alert_row(event: AlertEvent) -> AlertRow:
    resolved_at = _iso(event.as_of) if event.transition == "RESOLVED" else ""
    return AlertRow(
        event.alert_id, event.account_id, event.sign, event.severity, _iso(event.opened_at), resolved_at
    )


def _iso(at: int) -> str:
    """*at*, ms UTC, as ISO 8601."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
