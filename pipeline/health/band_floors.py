"""
Band floors: what forces an account to AT_RISK at least, whatever its score.

A floor holds as long as its function finds it, without hold and hysteresis. To add one: two functions and a
line in ``BAND_FLOORS``; its facts in ``schemas/facts.yaml``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import duration
from pipeline.health.outputs import Evidence
from pipeline.health.scorecard import Scorecard
from pipeline.health.tickets import P1, Ticket, solve_limits
from pipeline.health.windows import DAY, HOUR, date_text, day_of


class Forced(NamedTuple):
    """*words* stay the same while it lasts; *due_at* is the deadline that passed, None if a fact made it."""

    words: str
    due_at: int | None


def never(_state: AccountState, _scorecard: Scorecard) -> int:
    """Next due moment of a floor that begins with the day, or with an event."""
    return 0


@dataclass(frozen=True, slots=True)
class BandFloor:
    """
    One reason to force the band.

    *find* takes the state, the time (``state.as_of``) and the scorecard; *evidence* takes the same, while it
    holds, and tells the facts behind it, strongest first. *next_due* says when, after ``state.watermark``, it
    may begin though nothing happens, 0 if never.
    """

    find: Callable[[AccountState, int, Scorecard], Forced | None]
    evidence: Callable[[AccountState, int, Scorecard], tuple[Evidence, ...]]
    next_due: Callable[[AccountState, Scorecard], int] = never


def forced_by(state: AccountState, now: int, scorecard: Scorecard) -> Forced | None:
    """The first floor that holds, in the order of ``BAND_FLOORS``; None if none does."""
    for floor in BAND_FLOORS:
        found = floor.find(state, now, scorecard)
        if found is not None:
            return found
    return None


def floor_evidence(state: AccountState, now: int, scorecard: Scorecard) -> tuple[Evidence, ...]:
    """The facts behind the floor that ``forced_by`` gives; empty if none holds."""
    for floor in BAND_FLOORS:
        if floor.find(state, now, scorecard) is not None:
            return floor.evidence(state, now, scorecard)
    return ()


def _notice(state: AccountState, now: int, _scorecard: Scorecard) -> Forced | None:
    facts = state.facts
    if facts is None or facts.notice_day is None or facts.notice_day > day_of(now):
        return None
    return Forced(f"notice of cancellation given on {date_text(facts.notice_day)}", None)


def _notice_evidence(state: AccountState, now: int, _scorecard: Scorecard) -> tuple[Evidence, ...]:
    facts = state.facts
    if facts is None or facts.notice_day is None:
        return ()
    today = day_of(now)
    since = Evidence(fact="days_since_notice", value=float(today - facts.notice_day))
    if facts.leaves_day is None:
        return (since,)
    return Evidence(fact="days_until_leaving", value=float(facts.leaves_day - today)), since


def _open_p1(state: AccountState, _now: int, scorecard: Scorecard) -> Forced | None:
    late = _late_p1(state, scorecard)
    if late is None:
        return None
    limits = solve_limits(scorecard.support.solve_hours)
    words = f"P1 ticket {late[0]} open beyond its SLA of {duration(limits[0])}"
    return Forced(words, late[1].late_after(limits))


def _open_p1_evidence(state: AccountState, _now: int, scorecard: Scorecard) -> tuple[Evidence, ...]:
    late = _late_p1(state, scorecard)
    if late is None:
        return ()
    hours = scorecard.support.solve_hours[0]
    beyond = state.watermark - late[1].late_after(solve_limits(scorecard.support.solve_hours))
    return (Evidence(fact="p1_open_hours", value=round(hours + beyond / HOUR, 4), usual=hours),)


def _late_p1(state: AccountState, scorecard: Scorecard) -> tuple[str, Ticket] | None:
    """Of several P1 tickets beyond their SLA the one heard of first."""
    unsolved = state.tickets.lifecycle.open
    if not unsolved:
        return None
    limits = solve_limits(scorecard.support.solve_hours)
    for ticket_id, ticket in unsolved.items():
        if ticket.severity == P1 and ticket.late_after(limits) <= state.watermark:
            return ticket_id, ticket
    return None


def _next_p1(state: AccountState, scorecard: Scorecard) -> int:
    unsolved = state.tickets.lifecycle.open
    if not unsolved:
        return 0
    limits = solve_limits(scorecard.support.solve_hours)
    ends = [ticket.late_after(limits) for ticket in unsolved.values() if ticket.severity == P1]
    return min([end for end in ends if end > state.watermark], default=0)


def _past_due(state: AccountState, now: int, scorecard: Scorecard) -> Forced | None:
    day, limit = day_of(now), scorecard.bands.past_due_days
    worst = state.invoices.worst_past_due(day)
    if worst is None or day - worst[1].due_day < limit:
        return None
    return Forced(f"invoice {worst[0]} {limit} days or more past due", (worst[1].due_day + limit) * DAY)


def _past_due_evidence(state: AccountState, now: int, scorecard: Scorecard) -> tuple[Evidence, ...]:
    day = day_of(now)
    worst = state.invoices.worst_past_due(day)
    if worst is None:
        return ()
    days, limit = float(day - worst[1].due_day), float(scorecard.bands.past_due_days)
    return (Evidence(fact="days_past_due", value=days, usual=limit),)


def _next_past_due(state: AccountState, scorecard: Scorecard) -> int:
    unpaid = state.invoices.lifecycle.open
    if not unpaid:
        return 0
    limit = scorecard.bands.past_due_days
    ends = [(bill.due_day + limit) * DAY for bill in unpaid.values()]
    return min([end for end in ends if end > state.watermark], default=0)


BAND_FLOORS: Final = (
    BandFloor(_notice, _notice_evidence),
    BandFloor(_open_p1, _open_p1_evidence, _next_p1),
    BandFloor(_past_due, _past_due_evidence, _next_past_due),
)
