"""The metrics of the health worker, held against the folds themselves."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from agents.health import STEP_BYTES
from agents.health_metrics import BANDS, HealthMetrics
from pipeline import metrics
from pipeline.health.events import AccountClosed, LogEntry, Login, Scorecards, SupportTicket, Tick
from pipeline.health.fold import PartitionFold
from pipeline.scorecards import load_scorecards, read_documents

START, DAY = 1_770_000_000_000, 86_400_000
CARDS = Scorecards(list(load_scorecards().documents))


@pytest.fixture(autouse=True)
def gauges() -> Iterator[None]:
    """The gauges are the process's."""
    metrics.PARTITION_CLOCK.clear()
    yield
    metrics.PARTITION_CLOCK.clear()
    metrics.ACCOUNTS.clear()


class Told:
    """A fold, and metrics that are told of it as the worker tells them."""

    def __init__(self, partition: int = 0) -> None:
        self.fold = PartitionFold(partition, read_documents)
        self.metrics = HealthMetrics(large_bytes=50_000)
        self.metrics.restored(self.fold)

    def take(self, at: int, body: Any, account_id: str = "") -> None:
        offset = self.fold.next_offset
        entry = LogEntry(at, "login" if account_id else "", 0, offset, body)
        self.fold.take(account_id, entry, offset)
        for _, output in self.fold.take_step().outputs:
            self.metrics.put_out(self.fold.partition, output)
        self.metrics.folded(self.fold, 1)

    def live_a_little(self) -> None:
        """Accounts that stand differently, one of them closed, another dark."""
        self.take(START, CARDS)
        for day in range(12):
            at = START + day * DAY
            for number in range(5):
                self.take(at, Login(f"l-{day}", at, b"12345678", "USER", "WEB"), f"acc-{number}")
            self.take(at, SupportTicket(f"t-{day}", at, f"T-{day}", "OPENED", "P1"), "acc-1")
            self.take(at, Tick())
        self.take(START + 12 * DAY, AccountClosed("closed", START + 12 * DAY), "acc-4")
        self.take(START + 40 * DAY, Tick())


def accounts() -> Counter[str]:
    """Accounts by band as told."""
    return Counter({str(labels["band"]): int(value) for labels, value in series(metrics.ACCOUNTS) if value})


def shown(fold: PartitionFold) -> Counter[str]:
    """Accounts by band as their last versions have it."""
    return Counter(state.derived.shown.band for state in fold.states.values())


def series(metric: Any) -> list[tuple[dict[str, str], float]]:
    return [(sample.labels, sample.value) for family in metric.collect() for sample in family.samples]


def test_accounts_by_band_are_kept_along_with_the_fold() -> None:
    """Counting them again would take longer than a poll; the count is exact all the same."""
    told = Told()
    told.live_a_little()
    told.metrics.tell({0: told.fold})

    assert accounts() == shown(told.fold)
    assert len(accounts()) > 1


def test_accounts_by_band_are_right_after_a_recovery_and_from_there_on() -> None:
    """They are counted once, when the fold is built."""
    told = Told()
    told.live_a_little()
    told.metrics = HealthMetrics(large_bytes=50_000)
    told.metrics.restored(told.fold)
    told.take(START + 41 * DAY, Login("back", START + 41 * DAY, b"12345678", "USER", "WEB"), "acc-0")
    told.take(START + 41 * DAY, Login("new", START + 41 * DAY, b"12345678", "USER", "WEB"), "acc-9")
    told.metrics.tell({0: told.fold})

    assert accounts() == shown(told.fold)


def test_a_partition_that_was_given_away_is_no_longer_told() -> None:
    """Its clock would stand still here for ever, and look like a pipeline that does."""
    told, other = Told(0), PartitionFold(7, read_documents)
    told.metrics.restored(other)
    told.take(START, Tick())
    other.advance(LogEntry(START, "", 0, 0, Tick()), 0, 1)
    told.metrics.tell({0: told.fold, 7: other})
    assert {labels["partition"] for labels, _ in series(metrics.PARTITION_CLOCK)} == {"0", "7"}

    told.metrics.tell({7: other})

    assert series(metrics.PARTITION_CLOCK) == [({"partition": "7"}, START / 1000)]
    assert accounts() == {}


def test_a_partition_without_a_tick_has_no_clock_yet() -> None:
    """1970 would be told as an age of half a century."""
    told = Told()
    told.metrics.tell({0: told.fold})

    assert series(metrics.PARTITION_CLOCK) == []


def test_what_a_fold_has_met_is_told_from_its_restoration_on() -> None:
    """Its own counters run since the log began, and were told by whoever met it."""
    told = Told()
    login = Login("twice", START, b"12345678", "USER", "WEB")
    told.take(START, login, "acc-1")
    before = dict(series_of_duplicates())
    told.take(START, login, "acc-1")
    assert series_of_duplicates()["event_id"] - before["event_id"] == 1

    told.metrics.restored(told.fold)
    told.metrics.folded(told.fold, 0)

    assert series_of_duplicates()["event_id"] - before["event_id"] == 1


def series_of_duplicates() -> dict[str, float]:
    return {labels["of"]: value for labels, value in series(metrics.DUPLICATES)}


def test_a_large_state_is_named_once() -> None:
    """Before it no longer fits into a step, somebody should look at the account."""
    health_metrics = HealthMetrics(large_bytes=50_000)
    with structlog.testing.capture_logs() as logs:
        for size in (49_999, 50_000, 60_000):
            health_metrics.state_written("acc-1", size)

    assert [(line["event"], line["account_id"], line["bytes"]) for line in logs] == [
        ("account.large", "acc-1", 50_000)
    ]
    assert series(metrics.STATE_BYTES_MAX) == [({}, 60_000)]


def test_every_sign_transition_and_band_starts_at_zero() -> None:
    """A rate over what has not occurred must be 0 and not absent."""
    HealthMetrics(large_bytes=1)

    assert ("went_dark", "REOPENED") in {
        (labels["sign"], labels["transition"]) for labels, _ in series(metrics.ALERTS)
    }
    assert {labels["band"] for labels, _ in series(metrics.ACCOUNTS)} == set(BANDS)


def test_what_a_step_holds_is_what_the_worker_puts_into_one() -> None:
    """Metrics may not import the worker, so the number stands in both."""
    [family] = metrics.STATE_BYTES_MAX.collect()

    assert f"holds {STEP_BYTES // 2**20} MiB." in family.documentation


def test_late_and_left_out_events_are_told_apart() -> None:
    """A late one counts in its own day; one for a closed account changes nothing."""
    told = Told()
    told.take(START, CARDS)
    late, left_out = metrics.LATE_EVENTS._value.get(), metrics.LEFT_OUT_EVENTS._value.get()
    for number, (heard, happened) in enumerate(((5, 5), (5, 2), (5, 1))):
        at = START + happened * DAY
        told.take(START + heard * DAY, Login(f"l-{number}", at, b"12345678", "USER", "WEB"), "acc-0")
    told.take(START + 6 * DAY, AccountClosed("closed", START + 6 * DAY), "acc-0")
    told.take(START + 6 * DAY, Login("l-9", START + 6 * DAY, b"12345678", "USER", "WEB"), "acc-0")

    assert metrics.LATE_EVENTS._value.get() - late == 2
    assert metrics.LEFT_OUT_EVENTS._value.get() - left_out == 1
