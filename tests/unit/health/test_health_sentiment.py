"""The sentiment component."""

import pytest

from pipeline.health.account import AccountState
from pipeline.health.components.sentiment import score_sentiment
from pipeline.health.events import SurveyKind
from pipeline.health.windows import DAY
from tests.unit.health.health_builders import MID, MONDAY, START, nps, state_after


def score_of(state: AccountState) -> float:
    score = score_sentiment(state, state.as_of, MID).score
    assert score is not None
    return score


def test_one_angry_answer_does_not_sink_the_account() -> None:
    """Few answers are drawn towards neutral."""
    assert score_of(state_after(nps(START, 0))) == pytest.approx(40)
    assert score_of(state_after(*(nps(START, 0) for _ in range(10)))) == pytest.approx(10)


@pytest.mark.parametrize(("answer", "points"), [(10, 100), (9, 100), (8, 60), (7, 60), (6, 0), (0, 0)])
def test_an_nps_answer_is_a_promoter_a_passive_or_a_detractor(answer: int, points: float) -> None:
    """9 and 10 are 100, 7 and 8 are 60, the rest is 0; the neutral answer weighs two."""
    assert score_of(state_after(nps(START, answer))) == pytest.approx((2 * 60 + points) / 3, abs=1e-4)


def test_decision_makers_count_double() -> None:
    """An executive's word weighs two."""
    user, executive = state_after(nps(START, 0)), state_after(nps(START, 0, "EXECUTIVE"))

    assert score_of(executive) == pytest.approx(2 * 60 / 4)
    assert score_of(user) > score_of(executive)


def test_an_answer_fades_by_half_in_45_days_and_expires_after_90() -> None:
    """What people said long ago says little now."""
    state = state_after(nps(START, 10))

    scores = [score_sentiment(state, START + days * DAY, MID).score for days in (0, 45, 89, 90)]

    assert scores[1] == pytest.approx((2 * 60 + 0.5 * 100) / 2.5)
    assert scores[2] is not None
    assert scores[3] is None
    assert score_sentiment(state, START, MID).fresh_until == (MONDAY + 90) * DAY


def test_never_answering_says_more_than_a_middling_score() -> None:
    """Three surveys without an answer are known, and worse than three passive answers."""
    two, three = (
        state_after(*(nps(START, None) for _ in range(sent)), watermark=START + 15 * DAY) for sent in (2, 3)
    )
    passive = state_after(*(nps(START, 7) for _ in range(3)), watermark=START + 15 * DAY)

    assert score_sentiment(two, two.as_of, MID).score is None
    assert score_sentiment(three, three.as_of, MID).reason == "3 surveys sent, none answered"
    assert score_of(three) < score_of(passive)


def test_a_survey_sent_yesterday_is_not_unanswered_yet() -> None:
    """People have two weeks."""
    state = state_after(*(nps(START, None) for _ in range(5)), watermark=START + DAY)

    assert score_sentiment(state, state.as_of, MID).score is None


@pytest.mark.parametrize(("kind", "worst", "best"), [("CSAT", 1, 5), ("CES", 1, 7)])
def test_other_scales_run_from_0_to_100_too(kind: SurveyKind, worst: int, best: int) -> None:
    """Each kind has its curve."""
    scores = []
    for answer in (worst, best):
        event = nps(START, answer)
        event.kind, event.scale_min, event.scale_max = kind, worst, best
        scores.append(score_of(state_after(event)))

    assert scores == [pytest.approx(2 * 60 / 3), pytest.approx((2 * 60 + 100) / 3, abs=1e-4)]
