"""From a score to a band: edges, hysteresis, hold and band floors."""

import pytest

from pipeline.health.account import AccountState
from pipeline.health.band_floors import forced_by
from pipeline.health.bands import band_of, forced, move_band
from pipeline.health.events import Band
from pipeline.health.scorecard import BandEntered
from pipeline.health.signs.band import find_bad_band
from pipeline.health.windows import DAY, HOUR, MINUTE
from tests.unit.health.health_builders import (
    MID,
    MONDAY,
    START,
    Partition,
    facts,
    invoice,
    living_account,
    new_state,
    state_after,
    ticket,
)

NUMBERS = MID.bands
HOLD = 10 * MINUTE


def standing_at(band: Band, score: float | None = None) -> AccountState:
    state = new_state()
    state.derived.band, state.derived.score = band, score
    return state


def moved(state: AccountState, score: float | None, now: int) -> Band:
    """The band after a tick at *now* has found this score."""
    state.derived.score = score
    state.as_of = state.watermark = now
    move_band(state, now, NUMBERS)
    return state.derived.band


@pytest.mark.parametrize(
    ("score", "band"),
    [(100, "HEALTHY"), (75, "HEALTHY"), (74.9999, "WATCH"), (50, "WATCH"), (49.9999, "AT_RISK"), (25, "AT_RISK"),
     (24.9999, "CRITICAL"), (0, "CRITICAL")],
)  # fmt: skip
def test_an_edge_belongs_to_the_upper_band(score: float, band: Band) -> None:
    """75, 50 and 25 are the first of their band."""
    assert band_of(score, NUMBERS) == band


@pytest.mark.parametrize(
    ("score", "band"), [(72, "HEALTHY"), (71.9, "WATCH"), (46.9, "AT_RISK"), (10, "CRITICAL")]
)
def test_a_band_is_left_only_past_the_hysteresis_and_after_the_hold(score: float, band: Band) -> None:
    """Three points below the edge, for ten minutes."""
    state = standing_at("HEALTHY")

    assert moved(state, score, START) == "HEALTHY"
    assert moved(state, score, START + HOLD - 1) == "HEALTHY"
    assert moved(state, score, START + HOLD) == band


@pytest.mark.parametrize(("score", "band"), [(77.9, "WATCH"), (78, "HEALTHY")])
def test_a_band_is_entered_from_below_only_past_the_hysteresis(score: float, band: Band) -> None:
    """Three points above the edge."""
    state = standing_at("WATCH")
    moved(state, score, START)

    assert moved(state, score, START + HOLD) == band


def test_a_score_that_comes_back_within_the_hold_changes_nothing() -> None:
    """The hold begins again with the next fall."""
    state = standing_at("HEALTHY")
    moved(state, 60, START)
    moved(state, 80, START + 5 * MINUTE)

    assert moved(state, 60, START + HOLD) == "HEALTHY"


def test_a_deeper_fall_does_not_prolong_the_hold_of_a_shallower_one() -> None:
    """Each edge has its own ten minutes."""
    state = standing_at("HEALTHY")
    moved(state, 60, START)
    moved(state, 20, START + 9 * MINUTE)

    # |-- 60: past 75 --|9|-- 20: past 50 and 25 --|10: first hold ends|------|19: the others end
    assert moved(state, 20, START + HOLD) == "WATCH"
    assert moved(state, 20, START + 9 * MINUTE + HOLD) == "CRITICAL"


def test_the_end_of_a_hold_is_told_beforehand() -> None:
    """So that the change comes at its moment, not with the next event."""
    state = standing_at("HEALTHY", 60)
    state.as_of = state.watermark = START

    assert move_band(state, START, NUMBERS) == START + HOLD


def test_a_band_is_lost_with_the_score_and_found_again_at_once() -> None:
    """Unknown has no hysteresis."""
    state = standing_at("HEALTHY")

    assert moved(state, None, START) == "UNKNOWN"
    assert moved(state, 30, START + 1) == "AT_RISK"


def test_a_notice_of_cancellation_forces_from_its_day_on() -> None:
    """A notice dated tomorrow is none yet."""
    state = state_after(facts(notice_day=MONDAY + 1))

    assert forced_by(state, START, MID) is None
    floor = forced_by(state, START + DAY, MID)
    assert floor is not None
    assert floor.words == "notice of cancellation given on 2026-02-24"


def test_a_p1_beyond_its_sla_forces_and_its_solution_ends_it() -> None:
    """The deadline is part of the floor."""
    state = state_after(ticket(START, severity="P1"))
    state.watermark = START + 4 * HOUR

    floor = forced_by(state, START + 4 * HOUR, MID)
    state.apply(ticket(START + 4 * HOUR, "SOLVED", severity="P1"), START + 4 * HOUR)

    assert floor is not None
    assert floor == ("P1 ticket T-1 open beyond its SLA of 4 h", START + 4 * HOUR)
    assert forced_by(state, START + 4 * HOUR, MID) is None


@pytest.mark.parametrize(("days", "words"), [(59, None), (60, "invoice INV-1 60 days or more past due")])
def test_sixty_days_past_due_force(days: int, words: str | None) -> None:
    """Whatever the account's habit."""
    state = state_after(invoice(START, due_day=MONDAY), watermark=START + days * DAY)

    floor = forced_by(state, state.as_of, MID)

    assert (floor and floor.words) == words


@pytest.mark.parametrize(
    ("band", "computed"), [("HEALTHY", "AT_RISK"), ("CRITICAL", "CRITICAL"), ("UNKNOWN", "AT_RISK")]
)
def test_a_band_floor_forces_at_risk_at_least(band: Band, computed: Band) -> None:
    """Worse stays worse; and a fact needs no score."""
    assert forced(band, "notice of cancellation") == computed
    assert forced(band, None) == band


def test_a_forced_band_is_shown_at_once_and_says_so() -> None:
    """No hold for a notice of cancellation."""
    partition = Partition()
    partition.hear(facts())

    partition.hear(facts(START + HOUR, notice_day=MONDAY, leaves_day=MONDAY + 90))

    snapshot = partition.snapshots[-1]
    assert (snapshot.band, snapshot.computed_band) == ("AT_RISK", "AT_RISK")
    assert snapshot.forced_by == "notice of cancellation given on 2026-02-23"
    assert partition.transitions("band") == ["OPENED"]
    assert evidence(partition) == [("days_until_leaving", 90, None), ("days_since_notice", 0, None)]


def evidence(partition: Partition) -> list[tuple[str, float, float | None]]:
    """That of the last alert event."""
    return [(fact.fact, fact.value, fact.usual) for fact in partition.alerts[-1].evidence]


def test_a_notice_without_a_day_of_leaving_says_how_old_it_is() -> None:
    """Reported by hand, days later."""
    partition = Partition()

    partition.hear(facts(notice_day=MONDAY - 3))

    assert evidence(partition) == [("days_since_notice", 3, None)]


def test_a_p1_that_forces_a_band_is_its_evidence() -> None:
    """Hours since the last reopening, against the SLA; a score of 90 is no reason to call anybody."""
    partition = living_account()
    opened = partition.fold.watermark + HOUR
    partition.hear(ticket(opened, severity="P1"))
    partition.hear(ticket(opened + HOUR, "SOLVED", severity="P1"))
    partition.hear(ticket(opened + 2 * HOUR, "REOPENED", severity="P1"))

    partition.run_until(opened + 7 * HOUR)

    assert partition.transitions("band") == ["OPENED"]
    assert partition.snapshots[-1].score is not None
    assert evidence(partition) == [("p1_open_hours", 4, 4)]


def test_an_invoice_that_forces_a_band_is_its_evidence() -> None:
    """Days past due, against the limit of the scorecard."""
    partition = Partition()
    partition.hear(facts())
    partition.hear(invoice(START, due_day=MONDAY))

    partition.run_until(START + 60 * DAY, every=DAY)

    assert evidence(partition)[0] == ("days_past_due", 60, 60)


def test_a_score_that_is_as_bad_is_evidence_too() -> None:
    """Behind what forces the band, with the component that costs most."""
    state = state_after(facts(notice_day=MONDAY))
    derived = state.derived
    derived.score, derived.band, derived.forced_by = 40.0, "AT_RISK", "notice of cancellation"
    derived.scores[:3] = [30.0, None, 50.0]

    found = find_bad_band(state, MID, BandEntered(), None, ())

    assert found is not None
    assert [fact.fact for fact in found.evidence] == ["days_since_notice", "score", "usage_score"]
