"""Score drop: many points lost within days, unless another open sign explains them."""

from operator import attrgetter

from pipeline.health.account import AccountState
from pipeline.health.components import COMPONENTS
from pipeline.health.derived_state import Alert
from pipeline.health.outputs import Evidence
from pipeline.health.scorecard import Scorecard, ScoreDrop
from pipeline.health.signs.sign import Finding, Sign
from pipeline.health.trend import fall_within
from pipeline.health.windows import date_text


def find_drop(
    state: AccountState,
    scorecard: Scorecard,
    numbers: ScoreDrop,
    alert: Alert | None,
    explained: tuple[str, ...],
) -> Finding | None:
    """
    Opens at ``points`` or more lost since the best day's end within the window, in components no open sign
    explains.

    Stays open until the score is back to within ``points`` less the hysteresis of where it fell from.
    """
    score = state.derived.score
    if alert is not None:
        before = alert.score_before
        if score is None or before is None:
            return _finding(state, numbers, "score has not come back", ())
        if before - score <= numbers.points - numbers.hysteresis:
            return None
        return _finding(
            state, numbers, f"score still {before - score:.0f} points below where it fell from", ()
        )
    fall = fall_within(state, state.as_of, numbers.within_days, scorecard, numbers.points)
    if fall is None or score is None:
        return None
    moved = sorted(zip(fall.points, (component.name for component in COMPONENTS), strict=True))
    if -sum(points for points, name in moved if name not in explained) < numbers.points:
        return None
    lost = [(points, name) for points, name in moved if points < 0]
    text = ", ".join(f"{name} {points:+.1f}" for points, name in lost)
    return _finding(
        state,
        numbers,
        f"score fell by {fall.before - score:.0f} points since {date_text(fall.day)}: {text}",
        (
            Evidence(fact="score", value=score, usual=fall.before),
            *(Evidence(fact=f"{name}_points", value=points) for points, name in lost),
        ),
    )


def _finding(state: AccountState, numbers: ScoreDrop, reason: str, evidence: tuple[Evidence, ...]) -> Finding:
    derived = state.derived
    return Finding(
        numbers.severity,
        reason,
        evidence,
        numbers.play,
        None,
        derived.moved_occurred_at,
        derived.moved_heard_at,
    )


def _recovered(state: AccountState) -> str:
    score = state.derived.score
    return "score has recovered" if score is None else f"score has recovered to {score:.0f}"


SCORE_DROP = Sign(name="score_drop", numbers=attrgetter("score_drop"), detect=find_drop, recovered=_recovered)
