"""The fall of a score over some days, and which components made it."""

from typing import NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.scorecard import Scorecard
from pipeline.health.weighing import points_moved, weigh
from pipeline.health.windows import day_of


class Fall(NamedTuple):
    """*before* is the score fallen from, on *day*; *points* per component add up to the score now less *before*."""

    day: int
    before: float
    points: list[float]


def fall_within(state: AccountState, now: int, days: int, scorecard: Scorecard, least: float) -> Fall | None:
    """
    The fall from the highest day's end of the last *days* days to the score now, if it is *least* points or more.

    What came before is weighed again with the present weights, and without components that are unknown now: neither another
    scorecard nor an answer that expired is a fall of the customer's health.
    """
    standing = state.standing
    if standing.score is None:
        return None
    today = day_of(now)
    best = standing.history.highest(today - days, today - 1)
    if best is None or best[1] - standing.score < least:
        return None
    day = best[0]
    known = [
        None if present is None else past
        for present, past in zip(standing.scores, standing.history.components_on(day), strict=True)
    ]
    then = weigh(known, scorecard.weights, 0.0)
    if then.score is None or then.score - standing.score < least:
        return None
    return Fall(day, then.score, points_moved(then.contributions, standing.contributions))
