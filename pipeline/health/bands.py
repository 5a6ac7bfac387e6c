"""Bands: from a score to a word, slowly enough that a wobble is no news, at once where a hard sign leaves no choice."""

from typing import Final, NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import duration
from pipeline.health.components.billing import worst_past_due
from pipeline.health.components.support import solve_limits
from pipeline.health.events import Band
from pipeline.health.scorecard import Bands, Scorecard
from pipeline.health.tickets import SEVERITIES
from pipeline.health.windows import DAY, MINUTE, date_text, day_of

BY_HEALTH: Final[tuple[Band, ...]] = ("HEALTHY", "WATCH", "AT_RISK", "CRITICAL")
AT_RISK: Final = BY_HEALTH.index("AT_RISK")
_P1 = SEVERITIES.index("P1")


class HardSign(NamedTuple):
    """*words* stay the same while it lasts; *due_at* is the deadline that passed, None if a fact made it."""

    words: str
    due_at: int | None


def band_of(score: float, numbers: Bands) -> Band:
    """Band of a score without a past; an edge belongs to the upper band."""
    if score >= numbers.healthy_from:
        return "HEALTHY"
    if score >= numbers.watch_from:
        return "WATCH"
    return "AT_RISK" if score >= numbers.at_risk_from else "CRITICAL"


def move_band(state: AccountState, now: int, numbers: Bands) -> int:
    """
    Bring ``standing.band`` and its holds up to date with the score; returns when the next hold ends, 0 if none runs.

    Each edge is judged by itself: once the score is past it by the hysteresis, the hold runs, and at its end, if by
    the clock it has come, the band crosses that edge. So a deeper fall does not prolong the hold of a shallower one.
    A band becomes unknown, and known again, at once.
    """
    standing = state.standing
    score = standing.score
    since = standing.beyond_since
    if score is None or standing.band == "UNKNOWN":
        standing.band = "UNKNOWN" if score is None else band_of(score, numbers)
        standing.band_due_at = None
        since[:] = (0, 0, 0)
        return 0
    place = BY_HEALTH.index(standing.band)
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
        if end <= state.clock:
            crossed = min(crossed, number) if below else max(crossed, number + 1)
        elif not next_end or end < next_end:
            next_end = end
    if crossed != place:
        passed = range(min(place, crossed), max(place, crossed))
        standing.band_due_at = hold + max(since[number] for number in passed)
        for number in passed:
            since[number] = 0
        standing.band = BY_HEALTH[crossed]
    return next_end


def hard_sign(state: AccountState, now: int, scorecard: Scorecard) -> HardSign | None:
    """What forces the account to AT_RISK at least; None if nothing does."""
    day = day_of(now)
    facts = state.facts
    if facts is not None and facts.notice_day is not None and facts.notice_day <= day:
        return HardSign(f"notice of cancellation given on {date_text(facts.notice_day)}", None)
    for ticket_id, ticket in state.tickets.book.open.items():
        if ticket.severity == _P1:
            limits = solve_limits(scorecard.support.solve_hours)
            if ticket.late_after(limits) <= state.clock:
                words = f"P1 ticket {ticket_id} open beyond its SLA of {duration(limits[0])}"
                return HardSign(words, ticket.late_after(limits))
    worst = worst_past_due(state, day)
    limit = scorecard.bands.past_due_days
    if worst is not None and day - worst[1].due_day >= limit:
        return HardSign(f"invoice {worst[0]} {limit} days or more past due", (worst[1].due_day + limit) * DAY)
    return None


def next_past_due_limit(state: AccountState, scorecard: Scorecard) -> int:
    """When the next unpaid invoice will be so long past due that it forces the account, 0 if none is ahead."""
    limit = scorecard.bands.past_due_days
    ends = [(bill.due_day + limit) * DAY for bill in state.invoices.book.open.values()]
    return min([end for end in ends if end > state.clock], default=0)


def forced(band: Band, forced_by: str | None) -> Band:
    """The computed band: that of the score, or AT_RISK where a hard sign forces at least that."""
    if forced_by is None or (band != "UNKNOWN" and BY_HEALTH.index(band) > AT_RISK):
        return band
    return "AT_RISK"
