"""
Support: whether the load of tickets is usual for this account, and whether we keep our promises on what is
open.

Two-sided: a healthy customer calls with some regularity, so sudden silence is a watch. Points are taken off
for tickets beyond their SLA, escalations, reopenings and old open ones; more tickets alone cost nothing up to
twice the usual. The SLA clocks run without pause: no step says that the customer is awaited.
"""

from collections.abc import Sequence
from typing import TypeAlias

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import Assessment, Component, count, duration
from pipeline.health.dirty import FACTS, TICKETS
from pipeline.health.scorecard import Scorecard, Support
from pipeline.health.tickets import P1, SEVERITIES, Usual, solve_limits
from pipeline.health.windows import DAY, MINUTE, week_of

_MONTH = 30
_Cost: TypeAlias = tuple[float, str]
"""Points taken off, and why."""


def score_support(state: AccountState, now: int, scorecard: Scorecard) -> Assessment:
    """
    Points of the ticket volume less what broken promises cost; unknown until a ticket is seen and when the
    last is long ago.
    """
    tickets, numbers = state.tickets, scorecard.support
    if not tickets.last_step_at:
        return Assessment(None, "no ticket seen yet")
    fresh_until = tickets.last_step_at + numbers.fresh_days * DAY
    unsolved = tickets.lifecycle.open
    if fresh_until <= state.watermark and not unsolved:
        return Assessment(None, f"no ticket for {count((now - tickets.last_step_at) // DAY, 'day')}")
    day = now // DAY
    volume, text = _volume(state, day, numbers)
    costs = [(100 - volume, text)]
    limits = solve_limits(numbers.solve_hours)
    look_again_at = _open_costs(state, now, numbers, limits, costs) if unsolved else 0
    _recent_costs(state, day, numbers, limits, costs)
    score = max(0.0, 100 - sum([points for points, _ in costs]))
    return Assessment(round(score, 4), max(costs)[1], None if unsolved else fresh_until, look_again_at)


def _volume(state: AccountState, day: int, numbers: Support) -> tuple[float, str]:
    """Tickets of 30 days against the account's own usual, and silence where tickets were regular."""
    tickets = state.tickets
    opened = tickets.opened.total(day - _MONTH + 1, day)
    usual = _usual(state, day, numbers)
    if usual is None:
        return 100.0, f"{count(opened, 'ticket')} in 30 days"
    text = f"{count(opened, 'ticket')} in 30 days, usually {usual:.1f}"
    if (
        usual >= numbers.regular_tickets
        and not tickets.lifecycle.open
        and not tickets.opened.total(day - numbers.silent_days + 1, day)
    ):
        return numbers.silent, f"no ticket for {numbers.silent_days} days, usually {usual:.1f} in 30 days"
    if opened < numbers.volume_least_tickets:
        return 100.0, text
    ratio = opened / max(usual, numbers.baseline_floor)
    return numbers.volume.at(ratio), f"{text} ({ratio:.1f}x)"


def _usual(state: AccountState, day: int, numbers: Support) -> float | None:
    """
    Tickets in 30 days over the weeks before these 30 days, more where more people came to log in since.

    None while too few weeks are known. A roll-out brings tickets with the people, so growth of the logins
    raises the usual.
    """
    last = week_of(day - _MONTH) - 1
    weeks = min(numbers.baseline_weeks, last - week_of(state.first_day))
    if weeks < numbers.baseline_least_weeks:
        return None
    usual = state.tickets.usual
    if usual is None or usual.last != last or usual.weeks != weeks:
        first = last - weeks + 1
        opened = state.tickets.opened_weeks.total(first, last) / (7 * weeks) * _MONTH
        logins = state.login_weeks.total(first, last) / weeks if opened else 0.0
        usual = state.tickets.usual = Usual(last, weeks, opened, logins)
    if not usual.logins:
        return usual.tickets
    growth = state.logins.total(day - 28, day - 1) / 4 / usual.logins
    return usual.tickets * min(max(growth, 1.0), numbers.growth_most)


def _open_costs(
    state: AccountState, now: int, numbers: Support, limits: Sequence[int], costs: list[_Cost]
) -> int:
    """Cost of open tickets; returns when the next of their deadlines ends, 0 if none is ahead."""
    next_end, old, watermark = 0, 0, state.watermark
    for ticket in state.tickets.lifecycle.open.values():
        old += now - ticket.opened_at >= numbers.old_days * DAY
        late_after = ticket.late_after(limits)
        if not late_after:
            continue
        breach, limit = numbers.breach[ticket.severity - 1], limits[ticket.severity - 1]
        reply_by = 0
        if not ticket.replied_at:
            reply_by = ticket.opened_at + round(numbers.reply_minutes[ticket.severity - 1] * MINUTE)
        if ticket.severity == P1:
            costs.append((numbers.open_p1, f"a P1 open for {duration(now - late_after + limit)}"))
        if late_after <= watermark:
            age = duration(now - late_after + limit)
            costs.append((breach, f"a {SEVERITIES[ticket.severity]} open for {age} (SLA {duration(limit)})"))
        elif 0 < reply_by <= watermark:
            age = duration(now - ticket.opened_at)
            words = f"a {SEVERITIES[ticket.severity]} without a reply for {age}"
            costs.append((breach * numbers.late_reply_share, words))
        for end in (late_after, reply_by):
            if end > watermark and (not next_end or end < next_end):
                next_end = end
    if old:
        words = f"{count(old, 'ticket')} open for {numbers.old_days} days or more"
        costs.append((min(old, numbers.counted_most) * numbers.old, words))
    return next_end


def _recent_costs(
    state: AccountState, day: int, numbers: Support, limits: Sequence[int], costs: list[_Cost]
) -> None:
    """Cost of what went wrong in the last 30 days."""
    tickets, first = state.tickets, day - _MONTH + 1
    for ring, points, what in (
        (tickets.escalated, numbers.escalated, "escalation"),
        (tickets.reopened, numbers.reopened, "reopened ticket"),
    ):
        if ring.newest >= first and (number := ring.total(first, day)):
            words = f"{count(number, what)} in 30 days"
            costs.append((min(number, numbers.counted_most) * points, words))
    since = first * DAY
    late = [numbers.breach[severity - 1] for at, severity in tickets.solved_late(limits) if at >= since]
    if late:
        points = sum(sorted(late)[-numbers.counted_most :]) * numbers.solved_late_share
        costs.append((points, f"{count(len(late), 'ticket')} solved beyond the SLA in 30 days"))


SUPPORT = Component("support", TICKETS | FACTS, score_support)
