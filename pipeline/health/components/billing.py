"""
Billing: money late beyond the account's own habit, disputed or failed payments, and a shrinking recurring
amount.

The worst invoice decides, not the mean: otherwise one more late invoice could raise the score. Amounts are
never added across currencies.
"""

from decimal import Decimal

from pipeline.health.account import AccountState
from pipeline.health.components.assessment import Assessment, Component, count
from pipeline.health.dirty import INVOICES
from pipeline.health.invoices import DISPUTED, FAILED, Assessed, Shrinkage
from pipeline.health.scorecard import Billing, Scorecard
from pipeline.health.windows import DAY


def score_billing(state: AccountState, now: int, scorecard: Scorecard) -> Assessment:
    """
    Points of the days past due less disputes, failed payments and shrinkage; unknown without a recent
    invoice.
    """
    invoices, numbers = state.invoices, scorecard.billing
    if not invoices.last_step_at:
        return Assessment(None, "no invoice seen yet")
    fresh_until = invoices.last_step_at + numbers.fresh_days * DAY
    unpaid = invoices.lifecycle.open
    if fresh_until <= state.watermark and not unpaid:
        return Assessment(None, f"no invoice for {count((now - invoices.last_step_at) // DAY, 'day')}")
    day = now // DAY
    known = invoices.assessed
    if known is not None and day < known.until and known.numbers is numbers:
        return Assessment(known.score, known.reason, known.fresh_until)
    costs = [_past_due(state, day, numbers)]
    if unpaid:
        steps = [bill.key[1] for bill in unpaid.values()]
        for rank, points, what in (
            (DISPUTED, numbers.disputed, "disputed"),
            (FAILED, numbers.failed, "failed"),
        ):
            number = steps.count(rank)
            if number:
                words = f"{count(number, 'payment')} {what}"
                costs.append((min(number, numbers.counted_most) * points, words))
    shrinkage = _shrinkage(state, day, numbers)
    costs.append((shrinkage.points, shrinkage.reason))
    reason = max(costs)[1]
    score = round(max(0.0, 100 - sum([points for points, _ in costs])), 4)
    # From the day after it is due a bill costs more each day.
    until = min([shrinkage.until, *[bill.due_day + 1 for bill in unpaid.values()]])
    invoices.assessed = known = Assessed(numbers, until, score, reason, None if unpaid else fresh_until)
    return Assessment(score, reason, known.fresh_until)


def _past_due(state: AccountState, day: int, numbers: Billing) -> tuple[float, str]:
    """Cost of the worst invoice's days past due, those of the account's habit left out."""
    worst = state.invoices.worst_past_due(day)
    if worst is None:
        return 0.0, "nothing past due"
    bill = worst[1]
    late = day - bill.due_day
    habit = min(state.invoices.usual_days_late(numbers.habit_least_invoices), numbers.habit_most_days)
    amount = sum(
        (
            other.amount
            for other in state.invoices.lifecycle.open.values()
            if other.currency == bill.currency and other.due_day < day
        ),
        Decimal(0),
    )
    usually = f" (usually paid {count(habit, 'day')} late)" if habit else ""
    points = 100 - numbers.past_due.at(max(0, late - habit))
    return points, f"{bill.currency} {amount:,.2f} is up to {count(late, 'day')} past due{usually}"


def _shrinkage(state: AccountState, day: int, numbers: Billing) -> Shrinkage:
    """
    Cost of a smaller recurring amount than some months ago, in the currency that shrank most.

    An amount that ended altogether says nothing here: its next invoice may simply not be issued yet.
    """
    invoices = state.invoices
    known = invoices.shrinkage
    if known is not None and day < known.until and known.numbers is numbers:
        return known
    earlier = day - numbers.recurring_days
    before = invoices.monthly_recurring(earlier)
    now = invoices.monthly_recurring(day) if any(before.values()) else {}
    least, reason = 1.0, "recurring amount unchanged"
    for currency, usual in before.items():
        present = now.get(currency)
        if usual and present and float(present / usual) < least:
            least = float(present / usual)
            reason = f"recurring amount down {1 - least:.0%} in {numbers.recurring_days} days, to {currency} {present:,.2f} a month"
    until = min(invoices.recurring_until(day), invoices.recurring_until(earlier) + numbers.recurring_days)
    points = 100 - numbers.recurring.at(least)
    invoices.shrinkage = known = Shrinkage(numbers, until, points, reason)
    return known


BILLING = Component("billing", INVOICES, score_billing)
