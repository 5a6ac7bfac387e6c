"""The billing component."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.health.account import AccountState
from pipeline.health.components.billing import score_billing
from pipeline.health.events import Invoice, InvoiceStep
from pipeline.health.windows import DAY
from tests.unit.health.health_builders import MID, MONDAY, START, invoice, login, state_after


def overdue(days: int, *others: Invoice) -> AccountState:
    """One invoice *days* past due at START."""
    first = invoice(START - 100 * DAY, due_day=MONDAY - days)
    return state_after(first, *others, watermark=START)


def score_of(state: AccountState) -> float:
    score = score_billing(state, state.as_of, MID).score
    assert score is not None
    return score


def test_billing_is_unknown_without_an_invoice() -> None:
    """Missing never reads as healthy."""
    state = state_after(login(START))

    assert score_billing(state, START, MID).score is None


@pytest.mark.parametrize(
    ("days", "least", "most"),
    [(0, 100, 100), (6, 75, 99), (7, 50, 74.9), (29, 50, 74), (30, 0, 49.9), (60, 0, 0)],
)
def test_days_past_due_fall_into_three_ranges(days: int, least: float, most: float) -> None:
    """0 to 6 healthy, 7 to 29 watch, 30 and more poor."""
    assert least <= score_of(overdue(days)) <= most


def test_the_reason_names_amount_currency_and_days() -> None:
    """A CSM can call finance with it."""
    state = overdue(30, invoice(START - DAY, invoice_id="INV-2", due_day=MONDAY - 1, amount="54200"))

    assert score_billing(state, START, MID).reason == "EUR 55,200.00 is up to 30 days past due"


def paid_late(days: int, number: int) -> Invoice:
    return invoice(START - number * 30 * DAY, "PAID", f"old-{number}", due_day=MONDAY - number * 30 - days)


def test_who_always_pays_late_is_not_in_trouble_when_late_again() -> None:
    """The account's own habit is allowed for."""
    habit = [paid_late(9, number) for number in (1, 2, 3)]

    assert score_of(overdue(9, *habit)) == 100
    assert score_of(overdue(9)) < 75
    assert score_billing(overdue(20, *habit), START, MID).reason.endswith("(usually paid 9 days late)")


def test_a_habit_excuses_a_month_at_most() -> None:
    """Who always pays after a quarter owes us all the same."""
    habit = [paid_late(80, number) for number in (3, 4, 5)]

    assert score_of(overdue(80, *habit)) < 50


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-30, 90), st.sampled_from(["ISSUED", "FAILED", "DISPUTED"])), max_size=6),
    st.integers(0, 90),
    st.integers(0, 30),
)
def test_more_overdue_never_raises_the_score(others: list[tuple[int, str]], days: int, more: int) -> None:
    """Neither an invoice that is later nor one more that is late."""
    events = [
        invoice(START - 100 * DAY, step, f"other-{number}", due_day=MONDAY - late)  # type: ignore[arg-type]
        for number, (late, step) in enumerate(others)
    ]
    without = state_after(invoice(START - 100 * DAY, "PAID"), *events, watermark=START)

    assert (
        0 <= score_of(overdue(days + more, *events)) <= score_of(overdue(days, *events)) <= score_of(without)
    )


def test_disputed_and_failed_payments_cost_beside_the_days() -> None:
    """Each is a conversation to be had."""
    disputed = state_after(invoice(START, "DISPUTED"))
    failed = state_after(invoice(START, "FAILED"))

    assert score_billing(disputed, START, MID)[:2] == (75, "1 payment disputed")
    assert score_billing(failed, START, MID)[:2] == (85, "1 payment failed")


def test_a_smaller_recurring_amount_is_told() -> None:
    """A quarter later half of it is left."""
    monthly = [
        invoice(
            START + n * 30 * DAY,
            "PAID",
            f"M-{n}",
            due_day=MONDAY + n * 30,
            recurring="1000" if n < 4 else "500",
        )
        for n in range(6)
    ]
    state = state_after(*monthly, watermark=START + 170 * DAY)

    assessment = score_billing(state, state.as_of, MID)

    assert assessment.score == pytest.approx(60, abs=1)
    assert assessment.reason == "recurring amount down 50% in 90 days, to EUR 507.29 a month"


def test_an_amount_whose_next_invoice_is_not_there_yet_has_not_shrunk() -> None:
    """An end says nothing: the next invoice may be on its way."""
    once = invoice(START, "PAID", due_day=MONDAY, recurring="1000")
    state = state_after(once, watermark=START + 100 * DAY)

    assert score_of(state) == 100


def test_amounts_of_two_currencies_are_never_added() -> None:
    """The worst invoice's currency is the one in the sentence."""
    dollars = invoice(START - DAY, invoice_id="INV-2", due_day=MONDAY - 1)
    dollars.currency, dollars.amount = "USD", Decimal(70)

    assert score_billing(overdue(8, dollars), START, MID).reason == "EUR 1,000.00 is up to 8 days past due"


def test_a_fall_is_seen_with_weekly_invoices_too() -> None:
    """Three months of them, and the weeks before to compare with, are more than a dozen."""
    weekly = [
        step
        for week in range(57)
        for step in (
            weekly_invoice(week, "ISSUED", "500" if week > 50 else "1000"),
            weekly_invoice(week, "PAID", "500" if week > 50 else "1000"),
        )
    ]

    assessment = score_billing(state_after(*weekly), START + 57 * 7 * DAY, MID)

    assert assessment.reason.startswith("recurring amount down 50% in 90 days")


def weekly_invoice(week: int, step: InvoiceStep, amount: str) -> Invoice:
    """A week's invoice; paid a day after it was issued."""
    at = START + week * 7 * DAY + (step == "PAID") * DAY
    bill = invoice(at, step, f"W-{week}", recurring=amount, due_day=MONDAY + week * 7)
    return replace(bill, period_days=7)
