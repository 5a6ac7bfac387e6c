"""
What the health worker reports of its folds: what they met, how accounts stand, how large states are.

Kept along with the fold, since counting a million accounts again takes longer than a poll. Nothing here
changes a fold.
"""

from collections import Counter
from collections.abc import Mapping
from copy import copy
from typing import Final, get_args

import structlog

from pipeline import metrics
from pipeline.health.events import Band
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent, HealthChange, Transition
from pipeline.health.partition import Counters
from pipeline.health.signs import SIGNS
from pipeline.health.versions import Output

log = structlog.get_logger(__name__)

BANDS: Final[tuple[Band, ...]] = get_args(Band)


class HealthMetrics:
    """
    The metrics of all folds of one worker.

    An account's state from *large_bytes* on is named in the log, once.
    """

    def __init__(self, *, large_bytes: int) -> None:
        self._large_bytes = large_bytes
        self._counted: dict[int, Counters] = {}
        self._bands: dict[int, Counter[Band]] = {}
        self._clocks_told: set[int] = set()
        self._largest = 0
        self._named: set[str] = set()
        metrics.seed(metrics.ALERTS, sign=[sign.name for sign in SIGNS], transition=get_args(Transition))
        metrics.seed(metrics.ACCOUNTS, band=BANDS)

    def restored(self, fold: PartitionFold) -> None:
        """
        Begin to count for *fold*, which was restored; what it met before, its earlier owners have counted.
        """
        self._counted[fold.partition] = copy(fold.counters)
        self._bands[fold.partition] = Counter(
            state.derived.shown.band for state in fold.states.values() if state.derived.version
        )
        for account_id, state in fold.states.items():
            self.state_written(account_id, state.size)

    def folded(self, fold: PartitionFold, entries: int) -> None:
        """Count what applying *entries* has added to the fold's counters, which run since the log began."""
        now, before = fold.counters, self._counted[fold.partition]
        metrics.ENTRIES_FOLDED.inc(entries)
        metrics.DUPLICATES.labels(of="position").inc(now.repeats - before.repeats)
        metrics.DUPLICATES.labels(of="event_id").inc(now.duplicates - before.duplicates)
        metrics.LATE_EVENTS.inc(now.late - before.late)
        metrics.LEFT_OUT_EVENTS.inc(now.left_out - before.left_out)
        metrics.PEOPLE_EVICTED.inc(now.evicted - before.evicted)
        self._counted[fold.partition] = copy(now)

    def put_out(self, partition: int, output: Output) -> None:
        """Count an *output* that goes to its topic, of an account in *partition*."""
        match output:
            case AlertEvent():
                metrics.ALERTS.labels(sign=output.sign, transition=output.transition).inc()
            case HealthChange():
                metrics.VERSIONS.inc()
                bands = self._bands[partition]
                if output.version > 1:
                    bands[output.band_before] -= 1
                bands[output.band_after] += 1

    def state_written(self, account_id: str, size: int) -> None:
        """Note that a state takes *size* bytes in the changelog."""
        if size > self._largest:
            self._largest = size
            metrics.STATE_BYTES_MAX.set(size)
        if size >= self._large_bytes and account_id not in self._named:
            self._named.add(account_id)
            log.warning("account.large", account_id=account_id, bytes=size, large_from=self._large_bytes)

    def tell(self, folds: Mapping[int, PartitionFold]) -> None:
        """Report how the *folds* of the partitions we own stand, and forget those of others."""
        owned = [self._bands[partition] for partition in folds]
        for band in BANDS:
            metrics.ACCOUNTS.labels(band=band).set(sum(bands[band] for bands in owned))
        clocks = {partition: fold.watermark for partition, fold in folds.items() if fold.watermark}
        for partition in self._clocks_told - clocks.keys():
            metrics.PARTITION_CLOCK.remove(str(partition))
        for partition, clock in clocks.items():
            metrics.PARTITION_CLOCK.labels(partition=partition).set(clock / 1000)
        self._clocks_told = set(clocks)
