"""The invoices of one account: what is unpaid and since when, the habit of paying, and what recurs each month."""

from dataclasses import dataclass
from decimal import Decimal

from pipeline.health.books import Book, StepKey
from pipeline.health.events import Invoice, InvoiceStep
from pipeline.health.windows import DAY, day_of

STEPS: tuple[InvoiceStep, ...] = (
    "UNKNOWN", "ISSUED", "OVERDUE", "FAILED", "DISPUTED", "CREDITED", "PAID", "VOID",
)  # fmt: skip
"""By rank, as in the wire schema."""

MAX_OPEN, MAX_CLOSED = 200, 13
REMEMBER_CLOSED_DAYS = 400
REMEMBER_OPEN_DAYS = 800
"""An invoice nobody spoke of for two years is no longer collected."""

ISSUED, OVERDUE, FAILED, DISPUTED, CREDITED, PAID, VOID = range(1, 8)

_RANK = {step: rank for rank, step in enumerate(STEPS)}
_MONTH_DAYS = Decimal("30.4375")
_NOTHING = Decimal(0)


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
    def monthly(self) -> Decimal | None:
        """Recurring amount a month while the invoice's period lasts, counted from the due date; None if it says none."""
        if not self.recurring_amount or not self.period_days or self.key[1] in {CREDITED, VOID}:
            return None
        return self.recurring_amount * _MONTH_DAYS / self.period_days


class Invoices:
    """The book of invoices."""

    __slots__ = ("book", "last_step_at")

    def __init__(self) -> None:
        self.book: Book[Bill] = Book(MAX_OPEN, MAX_CLOSED)
        self.last_step_at = 0

    def apply(self, event: Invoice) -> bool:
        """Note a step; False when it is older than what is remembered, or of a kind not known here."""
        rank = _RANK[event.step]
        key = (event.occurred_at, rank, event.event_id)
        bill = self.book.find(event.invoice_id)
        if not rank or (bill is None and event.occurred_at <= self.book.forgotten_at):
            return False
        self.last_step_at = max(self.last_step_at, event.occurred_at)
        if bill is None or key > bill.key:
            bill = Bill(
                key, event.amount, event.currency, event.due_day, event.recurring_amount, event.period_days
            )
            self.book.place(event.invoice_id, bill)
        return True

    def forget(self, day: int) -> None:
        """Drop, on *day*, what has seen no step for too long."""
        self.book.forget((day - REMEMBER_OPEN_DAYS) * DAY, (day - REMEMBER_CLOSED_DAYS) * DAY)

    def usual_days_late(self, at_least: int) -> int:
        """Median of the days late of the paid invoices remembered, the lower of two; 0 with fewer than *at_least*."""
        late = sorted(bill.days_late for bill in self.book.closed.values() if bill.key[1] == PAID)
        return late[(len(late) - 1) // 2] if len(late) >= at_least else 0

    def monthly_recurring(self, day: int, samples: int = 5, apart: int = 7) -> dict[str, Decimal]:
        """
        Recurring amount per month and currency around *day*: the median over *samples* days, *apart* days back from each other.

        A median, because the periods of two invoices may overlap or leave a gap of some days.
        """
        sums: dict[str, list[Decimal]] = {}
        for bill in (*self.book.open.values(), *self.book.closed.values()):
            monthly = bill.monthly
            if monthly is None or bill.period_days is None:
                continue
            totals = sums.setdefault(bill.currency, [_NOTHING] * samples)
            for back in range(samples):
                if bill.due_day <= day - back * apart < bill.due_day + bill.period_days:
                    totals[back] += monthly
        return {currency: sorted(totals)[samples // 2] for currency, totals in sums.items()}
