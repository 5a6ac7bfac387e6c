"""
Sentiment: what people answer when asked, and whether they answer at all.

Answers fade with their age and are drawn towards neutral while there are few, so one angry answer is one
angry answer.
"""

from functools import lru_cache

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import Assessment, Component, count
from pipeline.health.curves import Curve, Steps
from pipeline.health.dirty import SURVEYS
from pipeline.health.scorecard import Scorecard, Sentiment
from pipeline.health.surveys import KINDS, Surveys, Valued
from pipeline.health.windows import DAY

_NPS = KINDS.index("NPS")
_CSAT = KINDS.index("CSAT")
_CES = KINDS.index("CES")


def score_sentiment(state: AccountState, now: int, scorecard: Scorecard) -> Assessment:
    """
    Mean of the answers' points, weighted by respondent and age, together with a neutral answer of a fixed
    weight.

    Surveys nobody answered count as poor answers of a small weight. Unknown without an answer within
    ``fresh_days``, unless enough surveys went unanswered.
    """
    numbers = scorecard.sentiment
    day = now // DAY
    weight, points = numbers.neutral_weight, numbers.neutral_weight * numbers.neutral
    answered = sent = unhappy = last_day = 0
    fresh_days, neutral = numbers.fresh_days, numbers.neutral
    fading = _fading(numbers.half_life_days, fresh_days)
    for asked_day, number, each, value in _valued(state.surveys, numbers):
        age = day - asked_day if asked_day < day else 0
        if age >= fresh_days:
            continue
        if value is None:
            sent += number if age >= numbers.unanswered_after_days else 0
            continue
        share = number * fading[age] * each
        weight += share
        points += share * value
        answered += number
        if value < neutral:
            unhappy += number
        last_day = asked_day  # they come in the order of days
    silent = sent - answered if sent > answered else 0
    weight += silent * numbers.unanswered_weight
    points += silent * numbers.unanswered_weight * numbers.unanswered
    if not answered and silent < numbers.unanswered_least:
        return Assessment(None, f"no survey answered in {numbers.fresh_days} days")
    score = round(points / weight, 4) if weight else numbers.neutral
    fresh_until = (last_day + numbers.fresh_days) * DAY if answered else None
    return Assessment(score, _reason(answered, silent, unhappy), fresh_until)


@lru_cache(64)
def _fading(half_life_days: float, fresh_days: int) -> tuple[float, ...]:
    """What is left of an answer's weight at each age in days."""
    return tuple(0.5 ** (age / half_life_days) for age in range(fresh_days))


def _valued(surveys: Surveys, numbers: Sentiment) -> list[Valued]:
    if surveys.valued is None or surveys.valued[0] is not numbers:
        curves: dict[int, Curve | Steps] = {_NPS: numbers.nps, _CSAT: numbers.csat, _CES: numbers.ces}
        worth = []
        for day, what, answer, number in surveys.answers():
            kind, decision_maker = divmod(what, 2)
            each = numbers.decision_maker_weight if decision_maker else 1.0
            worth.append(Valued(day, number, each, curves[kind].at(answer) if kind else None))
        surveys.valued = numbers, worth
    return surveys.valued[1]


def _reason(answered: int, silent: int, unhappy: int) -> str:
    if not answered:
        return f"{count(silent, 'survey')} sent, none answered"
    if unhappy:
        return f"{unhappy} of {count(answered, 'answer')} unhappy"
    if silent > answered:
        return f"{silent} of {count(silent + answered, 'survey')} not answered"
    return f"{count(answered, 'answer')}, none unhappy"


SENTIMENT = Component("sentiment", SURVEYS, score_sentiment)
