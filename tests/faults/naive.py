"""
One account recomputed the long way round: from a list of events, with dictionaries and sorting, knowing
nothing of the core.

What it says is independent of the order of the events. Where the order in the log does matter, which is which
repeats are found and which not, ``count_in_log_order`` walks the log with the published rules alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from tests.faults.ground_truth import Send

DAY_MS: Final = 86_400_000
HORIZON: Final = 128
"""Newest event ids of an account among which a repeat is found, as docs/guarantees.md promises."""

_TICKET_RANKS: Final = {"OPENED": 1, "REPLIED": 2, "ESCALATED": 3, "SOLVED": 4, "REOPENED": 5, "CLOSED": 6}
_TICKET_DONE: Final = frozenset({4, 6})
_INVOICE_RANKS: Final = {
    "ISSUED": 1,
    "OVERDUE": 2,
    "FAILED": 3,
    "DISPUTED": 4,
    "CREDITED": 5,
    "PAID": 6,
    "VOID": 7,
}
_INVOICE_DONE: Final = frozenset({5, 6, 7})
_LEAST_DAYS_KEPT: Final = 40
"""Days back for which every window is certain to hold its counts; traffic that is compared is younger."""

Said = dict[str, Any]
"""What is said of one account, by name; the oracle compares it with what the product's state says."""


def say(events: Iterable[Send]) -> Said:
    """What *events* of one account, each as often as it counts, amount to."""
    by_kind: dict[str, list[Send]] = defaultdict(list)
    for event in events:
        by_kind[event.kind].append(event)
    return {
        **_logins(by_kind["login"]),
        **_tickets(by_kind["ticket"]),
        **_invoices(by_kind["invoice"]),
        "survey rows": dict(Counter(_survey_row(event) for event in by_kind["survey"])),
        "facts": _facts(by_kind["account"]),
    }


def _day(at: int) -> int:
    return at // DAY_MS


def _value(event: Send, name: str) -> Any:
    assert event.value is not None, "junk is not applied"
    return event.value.get(name)


def _key(event: Send, ranks: dict[str, int]) -> tuple[int, int, str]:
    return event.occurred_at, ranks[_value(event, "step")], event.event_id


def _logins(events: list[Send]) -> Said:
    per_day = Counter(_day(event.occurred_at) for event in events)
    newest = max(per_day, default=0)
    seen: dict[str, set[int]] = defaultdict(set)
    for event in events:
        email = _value(event, "email")
        person = email.strip().lower() if email else f"{_value(event, 'source')} {_value(event, 'user_id')}"
        seen[person].add(_day(event.occurred_at))
    recent = [days for days in seen.values() if max(days) > newest - _LEAST_DAYS_KEPT]
    return {
        "logins per day": {d: n for d, n in per_day.items() if d > newest - _LEAST_DAYS_KEPT},
        "last login": max((event.occurred_at for event in events), default=0),
        "days of each person": sorted(
            sorted(d for d in days if d > newest - _LEAST_DAYS_KEPT) for days in recent
        ),
    }


def _of_each(events: list[Send], id_field: str) -> Iterator[tuple[str, list[Send]]]:
    grouped: dict[str, list[Send]] = defaultdict(list)
    for event in events:
        grouped[f"{_value(event, 'source')}:{_value(event, id_field)}"].append(event)
    return iter(grouped.items())


def _tickets(events: list[Send]) -> Said:
    open_ones: dict[str, tuple[Any, ...]] = {}
    done: set[str] = set()
    opened: Counter[int] = Counter()
    for name, steps in _of_each(events, "ticket_id"):
        last = max(steps, key=lambda step: _key(step, _TICKET_RANKS))
        key = _key(last, _TICKET_RANKS)
        first = min(step.occurred_at for step in steps)
        if key[1] in _TICKET_DONE:
            done.add(name)
        else:
            open_ones[name] = (*key, _value(last, "severity"), first)
        if any(_value(step, "step") == "OPENED" for step in steps):
            opened[_day(first)] += 1
    days = {
        step: Counter(_day(e.occurred_at) for e in events if _value(e, "step") == step)
        for step in _TICKET_RANKS
    }
    return {
        "open tickets": open_ones,
        "closed tickets": done,
        "tickets opened per day": dict(opened),
        "tickets escalated per day": dict(days["ESCALATED"]),
        "tickets reopened per day": dict(days["REOPENED"]),
    }


def _invoices(events: list[Send]) -> Said:
    open_ones: dict[str, tuple[Any, ...]] = {}
    done: dict[str, tuple[Any, ...]] = {}
    for name, steps in _of_each(events, "invoice_id"):
        last = max(steps, key=lambda step: _key(step, _INVOICE_RANKS))
        key = _key(last, _INVOICE_RANKS)
        what = (
            *key,
            _value(last, "amount"),
            _value(last, "currency"),
            days_since_1970(_value(last, "due_date")),
        )
        (done if key[1] in _INVOICE_DONE else open_ones)[name] = what
    return {"open invoices": open_ones, "closed invoices": done}


def _survey_row(event: Send) -> tuple[int, bool, int | None]:
    """Day, whether a decision-maker answered, and the answer; None for one that was only sent."""
    score = _value(event, "score")
    return (
        _day(event.occurred_at),
        score is not None and _value(event, "respondent_role") == "EXECUTIVE",
        score,
    )


def _facts(events: list[Send]) -> tuple[Any, ...]:
    if not events:
        return ()
    last = max(events, key=lambda event: (event.occurred_at, event.event_id))
    return (
        last.event_id,
        *(_value(last, name) for name in ("name", "seats", "cmrr", "currency", "owner")),
        days_since_1970(_value(last, "renewal_date")),
    )


def days_since_1970(day: date) -> int:
    """A date as the state counts it."""
    return (day - date(1970, 1, 1)).days


@dataclass(slots=True)
class Counted:
    """
    What a walk over one log partition counts; *applied* holds (account, kind, event id) as often as it
    counts.
    """

    events: int = 0
    repeats: int = 0
    duplicates: int = 0
    applied: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def count_in_log_order(entries: Iterable[tuple[str, str, str, tuple[str, int], int]]) -> Counted:
    """
    Walk the entries of a log partition: account, kind, event id, source partition, source offset.

    At or below the highest offset of its source partition: the intake has repeated it. Among the newest ids
    of its account: the source has repeated it. Else it counts.
    """
    counted = Counted()
    highest: dict[tuple[str, int], int] = {}
    newest_ids: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for account_id, kind, event_id, source, offset in entries:
        if offset <= highest.get(source, -1):
            counted.repeats += 1
            continue
        highest[source] = offset
        ids = newest_ids[account_id]
        if (kind, event_id) in ids:
            counted.duplicates += 1
            continue
        ids.append((kind, event_id))
        del ids[:-HORIZON]
        counted.events += 1
        counted.applied[account_id, kind, event_id] += 1
    return counted
