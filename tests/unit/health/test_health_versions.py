"""When there is a new version, and what its snapshot says."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.health.derived_state import Shown
from pipeline.health.history import ScoreHistory
from pipeline.health.versions import FOLD_VERSION, Verdict, has_moved
from pipeline.health.weighing import points_moved, weigh
from pipeline.health.windows import DAY, HOUR
from tests.unit.health.health_builders import (
    MONDAY,
    START,
    Partition,
    facts,
    invoice,
    living_account,
    new_state,
    nps,
    scorecards_with,
)

SHOWN = Shown(70.0, "WATCH", "WATCH", None, 0.8, (), (), "", "")


def moved(**changes: object) -> bool:
    """Whether an account shown at 70, watch, coverage 80 % has a new version with these changes."""
    state = new_state()
    derived = state.derived
    derived.version, derived.shown = 3, SHOWN
    derived.score, derived.coverage, derived.forced_by = 70.0, 0.8, None
    band = changes.pop("band", "WATCH")
    for name, value in changes.items():
        setattr(derived, name, value)
    return has_moved(state, Verdict("alder", 1, band, band, None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"score": 71.0},
        {"score": 69.0},
        {"score": None},
        {"coverage": 0.85},
        {"band": "AT_RISK"},
        {"forced_by": "notice of cancellation"},
    ],
)
def test_a_version_is_due_when_something_worth_telling_has_changed(changes: dict[str, object]) -> None:
    """A point of score, five of coverage, a band, a band floor."""
    assert moved(**changes)


@pytest.mark.parametrize("changes", [{}, {"score": 70.9999}, {"coverage": 0.84}])
def test_smaller_moves_wait(changes: dict[str, object]) -> None:
    """Readers are not told of noise."""
    assert not moved(**changes)


def test_a_snapshot_repeats_the_facts_and_explains_the_score() -> None:
    """Everything a reader needs without asking anybody."""
    partition = living_account(renewal_day=MONDAY + 400, region="emea")

    snapshot = partition.snapshots[-1]

    assert (snapshot.account_name, snapshot.cmrr, snapshot.currency) == (
        "Alder & Finch",
        Decimal("18400.00"),
        "EUR",
    )
    assert (snapshot.owner, snapshot.segment, snapshot.region, snapshot.seats) == (
        "mara.lindqvist",
        "MID",
        "emea",
        10,
    )
    assert (snapshot.scorecard_name, snapshot.scorecard_version, snapshot.fold_version) == (
        "mid",
        "1",
        FOLD_VERSION,
    )
    assert [part.name for part in snapshot.components] == ["usage", "support", "sentiment", "billing"]
    assert snapshot.components[0].reason == "8 of 10 seats active in 28 days"
    assert snapshot.coverage == 0.55
    assert snapshot.score is not None
    assert sum(part.points for part in snapshot.components) == pytest.approx(snapshot.score, abs=0.01)


def test_coverage_under_half_is_unknown() -> None:
    """Usage and sentiment are 60 of 100, sentiment alone is 20."""
    partition = Partition()
    partition.hear(facts())
    partition.hear(nps(START, 9))

    assert (partition.snapshots[-1].score, partition.snapshots[-1].band) == (None, "UNKNOWN")
    assert partition.snapshots[-1].coverage == 0.2


def test_points_are_0_where_the_score_was_unknown() -> None:
    """From nothing to something is no move."""
    partition = Partition(cards=scorecards_with(bands__least_coverage=0.3))
    partition.hear(nps(START, 9))
    partition.hear(invoice(START + HOUR))

    change = partition.changes[-1]
    assert (change.score_before, change.band_before) == (None, "UNKNOWN")
    assert change.score_after is not None
    assert [move.points for move in change.points] == [0, 0, 0, 0]


scores = st.lists(st.none() | st.floats(0, 100), min_size=4, max_size=4)
weights = st.lists(st.floats(0.1, 100), min_size=4, max_size=4)


@settings(max_examples=100, deadline=None)
@given(scores, scores, weights)
def test_contributions_add_up_and_points_to_the_change(
    before: list[float | None], after: list[float | None], weights: list[float]
) -> None:
    """Within 0.01, whatever is known on either side."""
    one, other = weigh(before, weights, 0.5), weigh(after, weights, 0.5)

    if one.score is None or other.score is None:
        return
    assert 0 <= one.score <= 100
    assert sum(one.contributions) == pytest.approx(one.score, abs=0.01)
    assert sum(points_moved(one.contributions, other.contributions)) == pytest.approx(
        other.score - one.score, abs=0.01
    )


def test_the_history_keeps_the_last_score_of_each_day() -> None:
    """A day without scoring keeps the one before; what was unknown stays unknown."""
    history = ScoreHistory(4)
    history.note(100, 71.3333, [50.0, None, None, 80.0])
    history.note(100, 71.5, [51.0, None, None, 80.0])
    history.note(103, None, [None, None, None, None])
    history.note(104, 60.0, [40.0, None, None, 80.0])

    assert [history.score_on(day) for day in range(99, 106)] == [None, 71.5, 71.5, 71.5, None, 60.0, None]
    assert history.components_on(102) == [51.0, None, None, 80.0]
    assert history.highest(98, 103) == (102, 71.5)


def test_the_history_reaches_back_28_days() -> None:
    """The score of four weeks ago is the oldest that is shown."""
    history = ScoreHistory(4)
    for day in range(100, 140):
        history.note(day, float(day - 80), [None] * 4)

    assert history.score_on(139 - 28) == 31
    assert history.score_on(139 - 29) is None


def test_score_changes_are_those_of_days_not_of_snapshots() -> None:
    """Seven days ago is a stated day, whether or not there was a version then."""
    partition = living_account()
    now, score = partition.fold.watermark, partition.snapshots[-1].score
    partition.run_until(now + 2 * DAY)

    partition.hear(facts(now + 7 * DAY, owner="kim"))

    assert partition.snapshots[-1].score_7d_ago == score
