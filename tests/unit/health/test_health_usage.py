"""The usage component and the rhythm it is judged by."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.health.account import AccountState
from pipeline.health.components.usage import score_usage
from pipeline.health.events import Event
from pipeline.health.rhythm import rhythm_of
from pipeline.health.windows import DAY, HOUR
from tests.unit.health.health_builders import (
    CARDS,
    MID,
    MONDAY,
    START,
    facts,
    login,
    office_weeks,
    person,
    scorecards_with,
    state_after,
)


def rested(*events: Event, watermark: int = 0) -> AccountState:
    """The state as the scoring leaves it before it asks the component."""
    state = state_after(*events, watermark=watermark)
    assert MID.went_dark is not None
    state.longest_gap, state.allowed_silence = rhythm_of(state, MID.went_dark)
    return state


def test_usage_is_unknown_until_somebody_signs_in() -> None:
    """Missing never reads as healthy, and never as zero."""
    state = state_after(facts())

    assert score_usage(state, START, MID) == (None, "no login seen yet", None, 0)


@pytest.mark.parametrize(("active", "score"), [(80, 75), (50, 50), (100, 100), (13, 13)])
def test_active_people_over_seats_are_judged_by_the_curve(active: int, score: float) -> None:
    """From 80 % on healthy, from 50 % on watch, below poor."""
    early = [login(START + who, who) for who in range(1, active + 1)]
    state = rested(facts(seats=100), *early, watermark=START + 20 * DAY)
    state.allowed_silence = 0

    assessment = score_usage(state, START + 20 * DAY, MID)

    assert assessment.score == pytest.approx(score)
    assert assessment.reason == f"{active} of 100 seats active in 28 days"


def test_an_account_heard_of_since_yesterday_is_not_called_empty() -> None:
    """Who was not seen in two days of listening may have been there every day before."""
    two_days = rested(facts(seats=100), login(START), login(START + DAY, 2))

    assert score_usage(two_days, START + DAY, MID).score is None


def test_half_the_logins_of_the_four_weeks_before_is_the_edge_of_poor() -> None:
    """-50 % stands on the lower edge of watch, measured over whole weeks."""
    usual, halved = office_weeks(4, people=8), office_weeks(2, people=4, start_day=MONDAY + 28)
    state = rested(facts(seats=None), *usual, *halved, watermark=(MONDAY + 42) * DAY)

    assessment = score_usage(state, (MONDAY + 42) * DAY, MID)

    assert assessment.reason == "logins 50% below the usual of four weeks"
    assert assessment.score == pytest.approx(50)


def test_one_quiet_week_costs_less_than_a_quiet_fortnight() -> None:
    """A holiday week is half of two weeks, and the better of both windows counts."""
    now = (MONDAY + 49) * DAY
    holiday = rested(facts(seats=None), *office_weeks(6), login(now - 5 * HOUR), watermark=now)
    fortnight = rested(facts(seats=None), *office_weeks(5), login(now - 5 * HOUR), watermark=now)

    first, second = (score_usage(state, now, MID).score for state in (holiday, fortnight))

    assert first is not None
    assert second is not None
    assert 45 < first < 55
    assert second < 10


def test_todays_logins_do_not_count_before_the_day_is_over() -> None:
    """Otherwise every morning would look like a fall."""
    morning = (MONDAY + 42) * DAY + 9 * HOUR
    state = rested(facts(seats=None), *office_weeks(6), login(morning), watermark=morning)

    assert score_usage(state, morning, MID).reason == "logins 0% above the usual of four weeks"


def test_the_same_weeks_of_last_year_excuse_a_quiet_season() -> None:
    """A summer that was as quiet a year ago lowers what is expected."""
    year_ago = MONDAY - 364
    events = [
        *office_weeks(4, start_day=year_ago),
        *office_weeks(2, people=3, start_day=year_ago + 28),
        *office_weeks(4),
        *office_weeks(2, people=3, start_day=MONDAY + 28),
    ]
    now = (MONDAY + 42) * DAY

    season = rested(facts(seats=None), *events, watermark=now)
    slump = rested(facts(seats=None), *events[160 + 30 :], watermark=now)

    assert score_usage(season, now, MID).reason.startswith("logins 0%")
    assert score_usage(slump, now, MID).reason.startswith("logins 62% below")


def test_silence_within_the_rhythm_costs_nothing_and_names_itself_beyond() -> None:
    """The factor begins where the account's own rhythm ends."""
    state = rested(facts(seats=None), *office_weeks(6, people=12))
    due = state.dark_at

    assessments = []
    for now in (state.last_login_at + HOUR, due, due + 6 * DAY):
        state.watermark = now
        assessments.append(score_usage(state, now, MID))
    before, at_due, later = assessments

    assert before.score == 100
    assert at_due.reason == "no login for 6 days (longest before: 3)"
    assert at_due.score is not None
    assert later.score is not None
    assert at_due.score <= 60
    assert later.score < at_due.score


def test_new_seats_are_expected_to_fill_slowly() -> None:
    """Who buys seats for a roll-out is not called empty the same day."""
    people = [login(START + day * DAY + who, who) for day in range(20) for who in range(1, 6)]
    state = rested(facts(seats=5), *people)
    state.apply(facts(START + 20 * DAY, seats=10), START + 20 * DAY)

    scores = [score_usage(state, START + (20 + later) * DAY, MID).score for later in (0, 5)]

    assert scores[0] is not None
    assert scores[1] is not None
    assert scores[0] > 90
    assert scores[0] > scores[1]


def test_an_account_in_onboarding_is_asked_for_the_seats_of_its_age() -> None:
    """The onboarding scorecard expects a tenth of the seats after two weeks."""
    card = CARDS.of("MID", "ONBOARDING", None)
    people = [login(START + 13 * DAY + who, who) for who in range(1, 11)]
    state = state_after(facts(seats=100, start_day=MONDAY), *people, watermark=START + 14 * DAY)

    assessment = score_usage(state, START + 14 * DAY, card)

    assert assessment.score == 100
    assert assessment.reason == "10 of 100 seats active in 28 days, 10% expected at day 14"


def test_a_rhythm_needs_days_and_two_weekends() -> None:
    """A first working week does not make the weekend a silence."""
    assert rested(*office_weeks(1)).dark_at == 0
    assert rested(*office_weeks(4)).dark_at > 0


def test_the_rhythm_allows_twice_the_longest_gap_or_the_minimum() -> None:
    """Three days from Friday to Monday make six; everyday use has the minimum of three."""
    weekdays, everyday = office_weeks(4), [login(START + day * DAY) for day in range(28)]

    assert rested(facts(seats=50), *weekdays).allowed_silence == 6 * DAY
    assert rested(facts(seats=50), *everyday).allowed_silence == 3 * DAY


def test_a_handful_of_people_may_be_away_longer() -> None:
    """Ten seats can all be on holiday for a week and its weekends."""
    assert rested(facts(seats=10), *office_weeks(4)).allowed_silence == 11 * DAY


def test_a_week_that_stayed_empty_within_a_year_is_allowed_again() -> None:
    """A holiday of half a year ago belongs to the account's own rhythm."""
    before, after = office_weeks(4), office_weeks(20, start_day=MONDAY + 35)

    assert rested(facts(seats=50), *before, *after).allowed_silence == 10 * DAY


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 70), st.integers(1, 12), st.integers(0, 23)), min_size=1, max_size=60),
    st.integers(0, 40),
    st.integers(0, 30),
)
def test_usage_stays_between_0_and_100(logins: list[tuple[int, int, int]], later: int, seats: int) -> None:
    """Whatever the logins, the seats and the time passed."""
    events = [login(START + day * DAY + hour * HOUR, who) for day, who, hour in logins]
    last = max(event.occurred_at for event in events)
    state = rested(facts(seats=seats), *events, watermark=last + later * DAY)

    score = score_usage(state, state.as_of, MID).score

    assert score is None or 0 <= score <= 100


def test_the_people_of_the_builders_are_eight_bytes() -> None:
    """The columns rely on it."""
    assert len(person(1)) == 8


def test_parts_without_weight_are_no_usage() -> None:
    """A scorecard may leave a part out; where nothing else is known there is nothing to say."""
    cards = scorecards_with(usage__breadth_weight=0)
    state = rested(facts(), *office_weeks(1), watermark=START + 21 * DAY)

    assert score_usage(state, START + 21 * DAY, cards.of("MID", "LIVE", None)).score is None
