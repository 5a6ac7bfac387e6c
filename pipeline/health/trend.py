"""The fall of a score over some days, and which components made it."""

from typing import NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.scorecard import Scorecard
from pipeline.health.windows import DAY


class Fall(NamedTuple):
    """
    Since *day* the components known then and now lost *points* each, in their order.

    *before* is the score as it would be without these losses.
    """

    day: int
    before: float
    points: list[float]


def fall_within(state: AccountState, now: int, days: int, scorecard: Scorecard, least: float) -> Fall | None:
    """
    The fall since the highest day's end of the last *days* days, if it is *least* points or more.

    Every point is one of the present scorecard, and a component counts only if it was known then and is now:
    another scorecard, an answer that expired or the first one to be heard is no fall of the customer's
    health.
    """
    derived = state.derived
    score = derived.score
    if score is None:
        return None
    today = now // DAY
    best = derived.history.highest(today - days, today - 1)
    if best is None or best[1] - score < least:
        return None
    then = derived.history.components_on(best[0])
    known = sum(
        weight for weight, part in zip(scorecard.weights, derived.scores, strict=True) if part is not None
    )
    points = [
        0.0 if past is None or present is None else round((present - past) * weight / known, 4)
        for past, present, weight in zip(then, derived.scores, scorecard.weights, strict=True)
    ]
    lost = -sum(points)
    return Fall(best[0], round(score + lost, 4), points) if lost >= least else None
