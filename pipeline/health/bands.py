"""
Bands: from a score to a word, slowly enough that a wobble is no news. What forces a band is in
``band_floors``.
"""

from typing import Final

from pipeline.health.account import AccountState
from pipeline.health.events import Band
from pipeline.health.scorecard import Bands
from pipeline.health.windows import MINUTE

BY_HEALTH: Final[tuple[Band, ...]] = ("HEALTHY", "WATCH", "AT_RISK", "CRITICAL")
AT_RISK: Final = BY_HEALTH.index("AT_RISK")


def band_of(score: float, numbers: Bands) -> Band:
    """Band of a score without a past; an edge belongs to the upper band."""
    if score >= numbers.healthy_from:
        return "HEALTHY"
    if score >= numbers.watch_from:
        return "WATCH"
    return "AT_RISK" if score >= numbers.at_risk_from else "CRITICAL"


def move_band(state: AccountState, now: int, numbers: Bands) -> int:
    """
    Bring ``derived.band`` and its holds up to date with the score; returns when the next hold ends, 0 if none
    runs.

    Each edge is judged by itself: once the score is past it by the hysteresis, the hold runs, and at its end,
    if by the clock it has come, the band crosses that edge. So a deeper fall does not prolong the hold of a
    shallower one. A band becomes unknown, and known again, at once.
    """
    derived = state.derived
    score = derived.score
    since = derived.beyond_since
    if score is None or derived.band == "UNKNOWN":
        derived.band = "UNKNOWN" if score is None else band_of(score, numbers)
        derived.band_due_at = None
        since[:] = (0, 0, 0)
        return 0
    place = BY_HEALTH.index(derived.band)
    edges = (numbers.healthy_from, numbers.watch_from, numbers.at_risk_from)
    if (not place or score < edges[place - 1] + numbers.hysteresis) and (
        place == len(edges) or score >= edges[place] - numbers.hysteresis
    ):  # nearly always; the edges further off are not passed either
        since[:] = (0, 0, 0)
        return 0
    hold = round(numbers.hold_minutes * MINUTE)
    crossed = place
    next_end = 0
    for number, edge in enumerate(edges):
        below = number < place
        beyond = score >= edge + numbers.hysteresis if below else score < edge - numbers.hysteresis
        if not beyond:
            since[number] = 0
            continue
        since[number] = since[number] or now
        end = since[number] + hold
        if end <= state.watermark:
            crossed = min(crossed, number) if below else max(crossed, number + 1)
        elif not next_end or end < next_end:
            next_end = end
    if crossed != place:
        passed = range(min(place, crossed), max(place, crossed))
        derived.band_due_at = hold + max(since[number] for number in passed)
        for number in passed:
            since[number] = 0
        derived.band = BY_HEALTH[crossed]
    return next_end


def forced(band: Band, forced_by: str | None) -> Band:
    """The computed band: that of the score, or AT_RISK where a band floor forces at least that."""
    if forced_by is None or (band != "UNKNOWN" and BY_HEALTH.index(band) > AT_RISK):
        return band
    return "AT_RISK"
