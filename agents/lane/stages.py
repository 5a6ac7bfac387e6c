"""
Where a worker's time goes: each moment is booked to one stage of ``metrics.WORKER_STAGES``, so that they add
up to it.

Stages overlap, as the broker works while we do: booked is the most telling one that is under way. Called from
the main loop's thread alone, some ten times a poll.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final, Literal

from pipeline import metrics

Stage = Literal["encode", "fold", "append", "poll"]

_MOST_TELLING_FIRST: Final[tuple[Stage, ...]] = ("encode", "fold", "append", "poll")


class StageClock:
    """Books to ``telltale_worker_seconds_total`` from its making on; *now* gives seconds."""

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._under_way: dict[Stage, int] = dict.fromkeys(_MOST_TELLING_FIRST, 0)
        self._booked_until = now()
        metrics.seed(metrics.WORKER_SECONDS, stage=metrics.WORKER_STAGES)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """*stage* is under way during the block; it may be so several times at once, as appends are."""
        self._change(stage, 1)
        try:
            yield
        finally:
            self._change(stage, -1)

    @contextmanager
    def outside(self, stage: Stage) -> Iterator[None]:
        """Within a block of *stage*, a wait that is no part of it."""
        self._change(stage, -1)
        try:
            yield
        finally:
            self._change(stage, 1)

    def _change(self, stage: Stage, by: int) -> None:
        now = self._now()
        current = next((name for name in _MOST_TELLING_FIRST if self._under_way[name]), "wait")
        metrics.WORKER_SECONDS.labels(stage=current).inc(now - self._booked_until)
        self._booked_until = now
        self._under_way[stage] += by
