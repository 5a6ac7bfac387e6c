"""Voice: whether anybody wrote to us at all."""

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import Assessment, Component
from pipeline.health.dirty import SURVEYS
from pipeline.health.scorecard import Scorecard


def score_voice(state: AccountState, _now: int, scorecard: Scorecard) -> Assessment:
    """The points of the scorecard once somebody did."""
    if not state.notes:
        return Assessment(None, "no feedback yet")
    return Assessment(scorecard.voice.heard, f"{state.notes} notes")


VOICE = Component("voice", SURVEYS, score_voice)
