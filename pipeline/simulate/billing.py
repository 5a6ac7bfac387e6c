"""The invoices an account gets and when it pays them."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from pipeline.health.events import InvoiceStep
from pipeline.simulate.clock import DAY, HOUR, date_text, to_date
from pipeline.simulate.facts import Fact
from pipeline.simulate.habits import Habits
from pipeline.simulate.profile import Profile


def invoice_step(
    profile: Profile,
    step: InvoiceStep,
    at: int,
    *,
    issued_on: int,
    cmrr: Decimal,
    delay: int | None = None,
) -> Fact:
    """One step of the invoice issued on day *issued_on*, for the period that begins there."""
    months = _months(profile)
    amount = str(cmrr * months)
    return Fact(
        type="invoice",
        event_id=f"{profile.prefix}-i{issued_on:x}-{step.lower()}-{at:x}",
        occurred_at=at,
        fields={
            "invoice_id": f"in_{profile.prefix}_{issued_on}",
            "step": step,
            "amount": amount,
            "currency": profile.place.currency,
            "due_date": date_text(issued_on + terms_days(profile)),
            "recurring_amount": amount,
            "period_start": date_text(issued_on),
            "period_end": date_text(issued_on + 30 * months - 1),
        },
        delay=delay,
    )


def terms_days(profile: Profile) -> int:
    """Days from the issue of an invoice to its due date: 14 for small accounts, 30 for others."""
    return 14 if profile.segment == "SMALL" else 30


def invoices(profile: Profile, habits: Habits, cmrr: Decimal, day: int, rng: Random) -> Iterator[Fact]:
    """Every step, soon or later, of an invoice issued on *day*, if that is a billing day of the account."""
    today = to_date(day)
    if today.day != profile.billing_day or (today.month - profile.billing_month) % _months(profile):
        return

    def step(name: InvoiceStep, at: int) -> Fact:
        return invoice_step(profile, name, at, issued_on=day, cmrr=cmrr)

    due = day + terms_days(profile)
    yield step("ISSUED", day * DAY + 5 * HOUR + rng.randrange(HOUR))
    paid_on = None
    if habits.pays_after is not None:
        paid_on = max(day + 1, due + habits.pays_after + rng.randrange(2))
    if paid_on is None or paid_on > due:
        yield step("OVERDUE", (due + 1) * DAY + 6 * HOUR + rng.randrange(HOUR))
    if paid_on is None:
        return
    if rng.random() < habits.card_fails:
        yield step("FAILED", paid_on * DAY + 7 * HOUR + rng.randrange(HOUR))
        paid_on += 1
    yield step("PAID", paid_on * DAY + 8 * HOUR + rng.randrange(8 * HOUR))


def _months(profile: Profile) -> int:
    """Months one invoice pays for: a quarter for enterprises."""
    return 3 if profile.segment == "ENTERPRISE" else 1
