"""
The invoices of one account: what is unpaid and since when, the habit of paying, and what recurs each month.
"""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from pipeline.health.events import Invoice, InvoiceStep
from pipeline.health.lifecycle import Lifecycle, StepKey
from pipeline.health.scorecard import Billing
from pipeline.health.windows import DAY, day_of

STEPS: tuple[InvoiceStep, ...] = (
    "UNKNOWN", "ISSUED", "OVERDUE", "FAILED", "DISPUTED", "CREDITED", "PAID", "VOID",
)  # fmt: skip
"""By rank, as in the wire schema."""

MAX_OPEN, MAX_CLOSED = 200, 64
REMEMBER_CLOSED_DAYS = 400
REMEMBER_OPEN_DAYS = 800
"""An invoice nobody spoke of for two years is no longer collected."""

ISSUED, OVERDUE, FAILED, DISPUTED, CREDITED, PAID, VOID = range(1, 8)

_RANK = {step: rank for rank, step in enumerate(STEPS)}
_MONTH_DAYS = Decimal("30.4375")
_NOTHING = Decimal(0)
_SAMPLED_BACK = (0, 7, 14, 21, 28)
_NEVER = 1 << 31


@dataclass(slots=True)
class Bill:
    """One invoice as the step that holds leaves it."""

    key: StepKey
    amount: Decimal
    currency: str
    due_day: int
    recurring_amount: Decimal | None
    period_days: int | None

    @property
    def is_open(self) -> bool:
        """Whether its balance is still owed."""
        return self.key[1] <= DISPUTED

    @property
    def days_late(self) -> int:
        """Of a paid invoice: days from the due date to the payment, 0 if it came in time."""
        return max(0, day_of(self.key[0]) - self.due_day)

    @property
    def span(self) -> "Span | None":
        """What it bills a month while its period lasts, counted from the due date; None if nothing recurs."""
        if not self.recurring_amount or not self.period_days or self.key[1] in {CREDITED, VOID}:
            return None
        monthly = self.recurring_amount * _MONTH_DAYS / self.period_days
        return Span(self.due_day, self.due_day + self.period_days, monthly)


class Span(NamedTuple):
    """*monthly* recurs from *begin* to the day before *end*."""

    begin: int
    end: int
    monthly: Decimal


class Shrinkage(NamedTuple):
    """
    What the billing component made of the recurring amounts by *numbers*; it holds until the day *until*.
    """

    numbers: Billing
    until: int
    points: float
    reason: str


class Assessed(NamedTuple):
    """What the billing component made of the invoices by *numbers*; it holds until the day *until*."""

    numbers: Billing
    until: int
    score: float
    reason: str
    fresh_until: int | None


class Invoices:
    """
    The lifecycles of an account's invoices.

    Each day asks what recurs, and invoices seldom change, so three things are kept until they do: the spans
    of the bills by currency with the days they begin and end on, *shrinkage*, what the component made of
    them, and *assessed*, what it made of the whole.
    """

    __slots__ = ("_edges", "_spans", "assessed", "last_step_at", "lifecycle", "shrinkage")

    def __init__(self) -> None:
        self.lifecycle: Lifecycle[Bill] = Lifecycle(MAX_OPEN, MAX_CLOSED)
        self.last_step_at = 0
        self.shrinkage: Shrinkage | None = None
        self.assessed: Assessed | None = None
        self._spans: dict[str, list[Span]] | None = None
        self._edges: list[int] = []

    def apply(self, event: Invoice) -> bool:
        """Note a step; False when it is older than what is remembered, or of a kind not known here."""
        rank = _RANK[event.step]
        key = (event.occurred_at, rank, event.event_id)
        bill = self.lifecycle.find(event.invoice_id)
        if not rank or (bill is None and event.occurred_at <= self.lifecycle.forgotten_at):
            return False
        self.last_step_at = max(self.last_step_at, event.occurred_at)
        if bill is None or key > bill.key:
            bill = Bill(
                key, event.amount, event.currency, event.due_day, event.recurring_amount, event.period_days
            )
            self.lifecycle.place(event.invoice_id, bill)
            self._lifecycle_changed()
        return True

    def forget(self, day: int) -> None:
        """Drop, on *day*, what has seen no step for too long."""
        if self.lifecycle.forget((day - REMEMBER_OPEN_DAYS) * DAY, (day - REMEMBER_CLOSED_DAYS) * DAY):
            self._lifecycle_changed()

    def worst_past_due(self, day: int) -> tuple[str, Bill] | None:
        """
        The unpaid invoice that is due longest, if it is past due on *day*, with its id; of equals the smaller
        id.
        """
        late = [item for item in self.lifecycle.open.items() if item[1].due_day < day]
        return min(late, key=lambda item: (item[1].due_day, item[0])) if late else None

    def usual_days_late(self, at_least: int) -> int:
        """
        Median of the days late of the paid invoices remembered, the lower of two; 0 with fewer than
        *at_least*.
        """
        late = sorted(bill.days_late for bill in self.lifecycle.closed.values() if bill.key[1] == PAID)
        return late[(len(late) - 1) // 2] if len(late) >= at_least else 0

    def monthly_recurring(self, day: int) -> dict[str, Decimal]:
        """
        Recurring amount per month and currency around *day*: the median over some days, a week back from each
        other.

        A median, because the periods of two invoices may overlap or leave a gap of some days.
        """
        amounts = {}
        for currency, spans in self._spans_of_bills().items():
            totals = [_NOTHING] * len(_SAMPLED_BACK)
            for begin, end, monthly in spans:
                if begin <= day and day - _SAMPLED_BACK[-1] < end:  # as few of them do
                    for place, back in enumerate(_SAMPLED_BACK):
                        if begin <= day - back < end:
                            totals[place] += monthly
            amounts[currency] = sorted(totals)[len(totals) // 2]
        return amounts

    def recurring_until(self, day: int) -> int:
        """
        The first day after *day* on which ``monthly_recurring`` may be another though the invoices are the
        same.
        """
        self._spans_of_bills()
        edges = self._edges
        return min([edges[bisect_right(edges, day - back)] + back for back in _SAMPLED_BACK])

    def _spans_of_bills(self) -> dict[str, list[Span]]:
        spans = self._spans
        if spans is None:
            spans = self._spans = {}
            edges = {_NEVER}
            for bill in (*self.lifecycle.open.values(), *self.lifecycle.closed.values()):
                if (span := bill.span) is not None:
                    spans.setdefault(bill.currency, []).append(span)
                    edges |= {span.begin, span.end}
            self._edges = sorted(edges)
        return spans

    def _lifecycle_changed(self) -> None:
        self._spans = self.shrinkage = self.assessed = None
