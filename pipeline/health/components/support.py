"""
Support: whether the load of tickets is usual for this account, and whether we keep our promises on what is open.

Two-sided: a healthy customer calls with some regularity, so sudden silence is a watch. Points are taken off for tickets
beyond their SLA, escalations, reopenings and old open ones; more tickets alone cost nothing up to twice the usual.
The SLA clocks run without pause: no step says that the customer is awaited.
"""

from typing import NamedTuple

from pipeline.health.account import FACTS, TICKETS, AccountState
from pipeline.health.components.assessment import Assessment, Component, count, duration
from pipeline.health.scorecard import Scorecard, Support
from pipeline.health.tickets import SEVERITIES, Ticket
from pipeline.health.windows import DAY, HOUR, MINUTE, day_of, week_of

_MONTH = 30
_P1 = SEVERITIES.index("P1")


class _Cost(NamedTuple):
    """Points taken off, and why."""

    points: float
    reason: str


def score_support(state: AccountState, now: int, scorecard: Scorecard) -> Assessment:
    """Points of the ticket volume less what broken promises cost; unknown until a ticket is seen and when the last is long ago."""
    tickets, numbers = state.tickets, scorecard.support
    if not tickets.last_step_at:
        return Assessment(None, "no ticket seen yet")
    fresh_until = tickets.last_step_at + numbers.fresh_days * DAY
    if fresh_until <= state.clock and not tickets.book.open:
        return Assessment(None, f"no ticket for {count((now - tickets.last_step_at) // DAY, 'day')}")
    day = day_of(now)
    volume, text = _volume(state, day, numbers)
    costs = [_Cost(100 - volume, text)]
    look_again_at = _open_costs(state, now, numbers, costs)
    _recent_costs(state, day, numbers, costs)
    worst = max(costs, key=lambda cost: (cost.points, cost.reason))
    score = max(0.0, 100 - sum(cost.points for cost in costs))
    return Assessment(
        round(score, 4), worst.reason, None if tickets.book.open else fresh_until, look_again_at
    )


def solve_by(ticket: Ticket, numbers: Support) -> int:
    """When the ticket's time for a solution ends; 0 where its severity is unknown and promises nothing."""
    if not ticket.severity:
        return 0
    return ticket.running_since + round(numbers.solve_hours[ticket.severity - 1] * HOUR)


def _volume(state: AccountState, day: int, numbers: Support) -> tuple[float, str]:
    """Tickets of 30 days against the account's own usual, and silence where tickets were regular."""
    tickets = state.tickets
    opened = tickets.opened.total(day - _MONTH + 1, day)
    usual = _usual(state, day, numbers)
    if usual is None:
        return 100.0, f"{count(opened, 'ticket')} in 30 days"
    text = f"{count(opened, 'ticket')} in 30 days, usually {usual:.1f}"
    silent = tickets.opened.total(day - numbers.silent_days + 1, day) == 0
    if usual >= numbers.regular_tickets and silent and not tickets.book.open:
        return numbers.silent, f"no ticket for {numbers.silent_days} days, usually {usual:.1f} in 30 days"
    if opened < numbers.volume_least_tickets:
        return 100.0, text
    ratio = opened / max(usual, numbers.baseline_floor)
    return numbers.volume.at(ratio), f"{text} ({ratio:.1f}x)"


def _usual(state: AccountState, day: int, numbers: Support) -> float | None:
    """
    Tickets in 30 days over the weeks before these 30 days, more where more people came to log in since.

    None while too few weeks are known. A roll-out brings tickets with the people, so growth of the logins raises the usual.
    """
    last = week_of(day - _MONTH) - 1
    weeks = min(numbers.baseline_weeks, last - week_of(state.first_day))
    if weeks < numbers.baseline_least_weeks:
        return None
    first = last - weeks + 1
    usual = state.tickets.opened_weeks.total(first, last) / (7 * weeks) * _MONTH
    before = state.login_weeks.total(first, last) / weeks
    if not before:
        return usual
    growth = state.logins.total(day - 28, day - 1) / 4 / before
    return usual * min(max(growth, 1.0), numbers.growth_most)


def _open_costs(state: AccountState, now: int, numbers: Support, costs: list[_Cost]) -> int:
    """Cost of open tickets; returns when the next of their deadlines ends, 0 if none is ahead."""
    deadline, clock = 0, state.clock
    old = 0
    for ticket in state.tickets.book.open.values():
        old += now - ticket.opened_at >= numbers.old_days * DAY
        if not ticket.severity:
            continue
        severity = SEVERITIES[ticket.severity]
        age = duration(now - ticket.running_since)
        limit = solve_by(ticket, numbers)
        reply_by = ticket.opened_at + round(numbers.reply_minutes[ticket.severity - 1] * MINUTE)
        breach = numbers.breach[ticket.severity - 1]
        if ticket.severity == _P1:
            costs.append(_Cost(numbers.open_p1, f"a P1 open for {age}"))
        if limit <= clock:
            costs.append(_Cost(breach, f"a {severity} open for {age} (SLA {_limit(numbers, ticket)})"))
        elif not ticket.replied_at and reply_by <= clock:
            costs.append(_Cost(breach * numbers.late_reply_share, f"a {severity} without a reply for {age}"))
        for at in (limit, 0 if ticket.replied_at else reply_by):
            if at > clock and (not deadline or at < deadline):
                deadline = at
    if old:
        costs.append(
            _Cost(
                min(old, numbers.counted_most) * numbers.old,
                f"{count(old, 'ticket')} open for {numbers.old_days} days or more",
            )
        )
    return deadline


def _recent_costs(state: AccountState, day: int, numbers: Support, costs: list[_Cost]) -> None:
    """Cost of what went wrong in the last 30 days."""
    tickets, first = state.tickets, day - _MONTH + 1
    for ring, points, what in (
        (tickets.escalated, numbers.escalated, "escalation"),
        (tickets.reopened, numbers.reopened, "reopened ticket"),
    ):
        number = ring.total(first, day)
        if number:
            costs.append(
                _Cost(min(number, numbers.counted_most) * points, f"{count(number, what)} in 30 days")
            )
    late = 0
    points = 0.0
    for ticket in tickets.book.closed.values():
        limit = solve_by(ticket, numbers)
        if limit and ticket.key[0] > limit and day_of(ticket.key[0]) >= first and late < numbers.counted_most:
            late += 1
            points += numbers.breach[ticket.severity - 1] * numbers.solved_late_share
    if late:
        costs.append(_Cost(points, f"{count(late, 'ticket')} solved beyond the SLA in 30 days"))


def _limit(numbers: Support, ticket: Ticket) -> str:
    return duration(round(numbers.solve_hours[ticket.severity - 1] * HOUR))


SUPPORT = Component("support", TICKETS | FACTS, score_support)
