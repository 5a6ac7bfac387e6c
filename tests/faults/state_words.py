"""
An account's state in the words of ``naive``: which fields of the product stand for which promise. Nothing is
computed.
"""

from decimal import Decimal
from typing import Any

from pipeline.health.account import AccountState
from pipeline.health.tickets import SEVERITIES
from pipeline.health.windows import Ring
from tests.faults.naive import Said

_KEPT_DAYS = 40


def state_says(state: AccountState) -> Said:
    """What *state* holds under the names that ``naive.say`` uses."""
    tickets, invoices, facts = state.tickets, state.invoices.lifecycle, state.facts
    newest = state.logins.newest
    return {
        "logins per day": {d: n for d, n in _counts(state.logins).items() if d > newest - _KEPT_DAYS},
        "last login": state.last_login_at,
        "days of each person": sorted(
            sorted(last - ago for ago in range(64) if mask >> ago & 1 and last - ago > newest - _KEPT_DAYS)
            for last, mask in zip(state.people.last_days, state.people.active_days, strict=True)
            if last > newest - _KEPT_DAYS
        ),
        "open tickets": {
            name: (*ticket.key, SEVERITIES[ticket.severity], ticket.opened_at)
            for name, ticket in tickets.lifecycle.open.items()
        },
        "closed tickets": set(tickets.lifecycle.closed),
        "tickets opened per day": _counts(tickets.opened),
        "tickets escalated per day": _counts(tickets.escalated),
        "tickets reopened per day": _counts(tickets.reopened),
        "open invoices": {name: _bill(bill) for name, bill in invoices.open.items()},
        "closed invoices": {name: _bill(bill) for name, bill in invoices.closed.items()},
        "survey rows": {
            (day, what % 2 == 1, answer if what else None): number
            for day, what, answer, number in state.surveys.answers()
        },
        "facts": ()
        if facts is None
        else (
            facts.event_id,
            facts.name,
            facts.seats,
            facts.cmrr,
            facts.currency,
            facts.owner,
            facts.renewal_day,
        ),
    }


def _counts(ring: Ring) -> dict[int, int]:
    """Counts by bucket, those that counted something."""
    oldest = ring.newest - len(ring.counts) + 1
    return {oldest + place: count for place, count in enumerate(ring.counts) if count}


def _bill(bill: Any) -> tuple[int, int, str, Decimal, str, int]:
    return (*bill.key, bill.amount, bill.currency, bill.due_day)
