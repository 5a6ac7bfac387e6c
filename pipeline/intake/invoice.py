"""Invoices: one step in an invoice's life per event."""

from typing import Final

from pipeline.health.events import Invoice
from pipeline.intake.checks import Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value

_LONGEST_PERIOD: Final = 3660  # ten years; a contract paid longer ahead is a mistake in a year


def check(checks: Checks) -> None:
    """Note what is wrong with an invoice's step."""
    checks.event()
    checks.text("invoice_id")
    checks.known("step")
    checks.money("amount")
    checks.currency("currency")
    checks.day("due_date")
    checks.money("recurring_amount")
    checks.day("period_start")
    checks.day("period_end")
    _check_period(checks)


def _check_period(checks: Checks) -> None:
    first, last = checks.value["period_start"], checks.value["period_end"]
    if first is None and last is None:
        return
    if first is None or last is None:
        checks.required(("period_start", "period_end"), "because a period has two ends")
    elif not 0 <= last - first < _LONGEST_PERIOD:
        checks.note("range", f"the period has {last - first + 1} days, not 1 to {_LONGEST_PERIOD}")


def resolve(value: Value, people: Pseudonyms) -> Invoice:  # noqa: ARG001 - one signature for all event types
    """
    Keep of a checked step what the log holds; two billing systems may count from 1, so the source goes first.
    """
    first, last = value["period_start"], value["period_end"]
    return Invoice(
        value["event_id"],
        value["occurred_at"],
        f"{value['source']}:{value['invoice_id']}",
        value["step"],
        value["amount"],
        value["currency"],
        value["due_date"],
        value["recurring_amount"],
        None if first is None else last - first + 1,
    )
