"""What each event type refuses, and what it must let pass."""

from decimal import Decimal
from typing import Any

import pytest

from pipeline.intake.received import Accepted, Rejected
from tests.unit.intake.intake_builders import DAY, MINUTE, NOW, TODAY, new_intake, record, rejection

OVERRIDE = {"kind": "OVERRIDE", "reason": "Sponsor is on board", "band": "WATCH", "until": NOW + 30 * DAY}
SNOOZE = {"kind": "SNOOZE", "alert_id": "a-1", "until": NOW + DAY}
UNSUPPORTED = (
    {"kind": "ACKNOWLEDGE", "alert_id": "a-1"},
    SNOOZE,
    {"kind": "RESOLVE", "alert_id": "a-1"},
    {"kind": "NOTE"},
)
CSAT = {"kind": "CSAT", "scale_min": 1, "scale_max": 5}
CES = {"kind": "CES", "scale_min": 1, "scale_max": 7}
PERIOD = {"period_start": TODAY, "period_end": TODAY + 30}

REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("login", {"event_id": ""}, "range", "event_id is empty"),
    ("login", {"event_id": "e" * 201}, "range", "event_id has 201 characters, more than 200"),
    ("login", {"event_id": "e\n1"}, "range", "event_id has control characters or broken Unicode"),
    ("login", {"source": ""}, "range", "source is empty"),
    ("login", {"account_id": ""}, "range", "account_id is empty"),
    ("login", {"account_id": "ac\x00me"}, "range", "account_id has control characters or broken Unicode"),
    ("login", {"account_id": "ac\ud800me"}, "range", "account_id has control characters or broken Unicode"),
    ("login", {"user_id": ""}, "range", "user_id is empty"),
    ("login", {"feature": "f" * 201}, "range", "feature has 201 characters, more than 200"),
    (
        "login",
        {"occurred_at": NOW // 1000},
        "range",
        "occurred_at is 1772439250, which is no time in ms between 2000 and 2100",
    ),
    (
        "login",
        {"occurred_at": NOW * 1000},
        "range",
        "occurred_at is 1772439250000000, which is no time in ms between 2000 and 2100",
    ),
    (
        "login",
        {"occurred_at": -1},
        "range",
        "occurred_at is -1, which is no time in ms between 2000 and 2100",
    ),
    (
        "login",
        {"occurred_at": NOW + 6 * MINUTE},
        "future_timestamp",
        "occurred_at is 6.0 minutes ahead of the observation",
    ),
    ("support_ticket", {"step": "UNKNOWN"}, "range", "step is UNKNOWN"),
    ("support_ticket", {"ticket_id": ""}, "range", "ticket_id is empty"),
    ("support_ticket", {"category": "c" * 201}, "range", "category has 201 characters, more than 200"),
    ("support_ticket", {"requester": ""}, "range", "requester is empty"),
    ("invoice", {"step": "UNKNOWN"}, "range", "step is UNKNOWN"),
    ("invoice", {"amount": Decimal("-0.01")}, "range", "amount is negative: -0.01"),
    ("invoice", {"amount": Decimal("NaN")}, "range", "amount is no number"),
    ("invoice", {"amount": Decimal("Infinity")}, "range", "amount is no number"),
    ("invoice", {"recurring_amount": Decimal(-1)}, "range", "recurring_amount is negative: -1"),
    ("invoice", {"currency": "eur"}, "range", "currency is no ISO 4217 code of three capital letters"),
    ("invoice", {"due_date": -1}, "range", "due_date is day -1, which is not between 1970 and 2100"),
    ("invoice", {"due_date": 400_000}, "range", "due_date is day 400000, which is not between 1970 and 2100"),
    (
        "invoice",
        {"period_start": TODAY},
        "missing_field",
        "period_end is missing, required because a period has two ends",
    ),
    (
        "invoice",
        {"period_start": TODAY, "period_end": TODAY - 1},
        "range",
        "the period has 0 days, not 1 to 3660",
    ),
    (
        "invoice",
        {"period_start": TODAY, "period_end": TODAY + 4000},
        "range",
        "the period has 4001 days, not 1 to 3660",
    ),
    ("survey", {"kind": "UNKNOWN"}, "range", "kind is UNKNOWN"),
    ("survey", {"step": "UNKNOWN"}, "range", "step is UNKNOWN"),
    ("survey", {"score": None}, "missing_field", "score is missing, required when ANSWERED"),
    ("survey", {"score": -1}, "range", "score is -1, not between 0 and 10"),
    ("survey", {"score": 11}, "range", "score is 11, not between 0 and 10"),
    ("survey", {"scale_min": 1}, "range", "NPS is asked from 0 to 10, not 1 to 10"),
    (
        "survey",
        {"score": 7} | CSAT | {"scale_max": 7},
        "range",
        "CSAT is asked from 1 to 5, not 1 to 7; score is 7, not between 1 and 5",
    ),
    ("survey", CSAT | {"score": 0}, "range", "score is 0, not between 1 and 5"),
    ("survey", CES | {"score": 8}, "range", "score is 8, not between 1 and 7"),
    ("survey", {"higher_is_better": False}, "range", "higher_is_better is false, which only CES can be"),
    ("survey", {"step": "SENT"}, "range", "a survey that was only SENT has a score"),
    ("survey", {"comment": "c" * 20_001}, "range", "comment has 20001 characters, more than 20000"),
    ("account", {"name": ""}, "range", "name is empty"),
    ("account", {"seats": -1}, "range", "seats is -1, not between 0 and 10000000"),
    ("account", {"cmrr": Decimal(-1), "currency": "EUR"}, "range", "cmrr is negative: -1"),
    ("account", {"cmrr": Decimal(1)}, "missing_field", "currency is missing, required with cmrr"),
    (
        "account",
        {"domains": [""]},
        "range",
        "domains has an entry that is empty, too long, or has control characters",
    ),
    (
        "account",
        {"domains": ["a.example"] * 1001},
        "range",
        "domains or external_ids has more than 1000 entries",
    ),
    (
        "account",
        {"external_ids": {"stripe": ""}},
        "range",
        "external_ids has an entry that is empty, too long, or has control characters",
    ),
    ("account", {"leaves_on": -1}, "range", "leaves_on is day -1, which is not between 1970 and 2100"),
    ("account", {"owner": "Ma\x1bra"}, "range", "owner has control characters or broken Unicode"),
    ("action", {"kind": "UNKNOWN"}, "range", "kind is UNKNOWN"),
    ("action", {"author": ""}, "range", "author is empty"),
    *(
        (
            "action",
            fields,
            "unsupported_action",
            f"{fields['kind']} is not supported by this release, only OVERRIDE is",
        )
        for fields in UNSUPPORTED
    ),
    (
        "action",
        SNOOZE | {"alert_id": None, "until": None},
        "missing_field",
        (
            "alert_id is missing, required for SNOOZE; until is missing, required for SNOOZE; "
            "SNOOZE is not supported by this release, only OVERRIDE is"
        ),
    ),
    ("action", OVERRIDE | {"reason": None}, "missing_field", "reason is missing, required for OVERRIDE"),
    (
        "action",
        OVERRIDE | {"until": None},
        "missing_field",
        "until is missing, required for OVERRIDE with a band",
    ),
    ("action", OVERRIDE | {"band": "UNKNOWN"}, "range", "band is UNKNOWN"),
    (
        "action",
        OVERRIDE | {"until": NOW + 90 * DAY + 144 * MINUTE},
        "range",
        "until is 90.1 days after occurred_at, not more than 0 and at most 90",
    ),
    (
        "action",
        OVERRIDE | {"until": NOW - DAY},
        "range",
        "until is -1.0 days after occurred_at, not more than 0 and at most 90",
    ),
]

PASSED: list[tuple[str, dict[str, Any]]] = [
    ("login", {"occurred_at": NOW + 5 * MINUTE}),
    ("login", {"occurred_at": NOW - 400 * DAY}),
    ("login", {"role": "UNKNOWN", "channel": "UNKNOWN"}),
    ("login", {"email": "n/a"}),
    ("login", {"user_id": "u" * 320}),
    ("login", {"feature": "Übersicht 概要"}),
    ("support_ticket", {"severity": "UNKNOWN"}),
    ("invoice", {"amount": Decimal(0)}),
    ("invoice", {"recurring_amount": Decimal(200)} | PERIOD),
    ("invoice", {"period_start": TODAY, "period_end": TODAY}),
    ("survey", {"score": 0}),
    ("survey", {"step": "SENT", "score": None}),
    ("survey", {"kind": "CES", "scale_min": 1, "scale_max": 7, "score": 7, "higher_is_better": False}),
    ("survey", {"comment": "c" * 20_000}),
    ("account", {"segment": "UNKNOWN", "lifecycle_stage": "UNKNOWN", "seats": None}),
    ("account", {"cmrr": Decimal(0), "currency": "EUR"}),
    ("account", {"start_date": TODAY - 15_000}),
    ("account", {"name": "株式会社\u3000アクメ"}),
    ("action", OVERRIDE),
    ("action", {"kind": "OVERRIDE", "reason": "Back to the computed band"}),
]


@pytest.mark.parametrize(("event", "changes", "code", "says"), REFUSED)
def test_what_cannot_be_is_refused(event: str, changes: dict[str, Any], code: str, says: str) -> None:
    """
    With the code that says what kind of fault it is, and a sentence that says what is wrong and no more.
    """
    assert rejection(record(event, **changes)) == (code, says)


@pytest.mark.parametrize(("event", "changes"), PASSED)
def test_what_may_be_is_accepted(event: str, changes: dict[str, Any]) -> None:
    """The edges of what is allowed, and what sources rightly leave open."""
    assert isinstance(new_intake().process(record(event, **changes), NOW), Accepted)


def test_the_tolerance_counts_from_the_observation() -> None:
    """The same event is refused where it was observed earlier."""
    login = record("login", occurred_at=NOW)

    assert isinstance(new_intake().process(login, NOW - 5 * MINUTE), Accepted)
    early = new_intake().process(login, NOW - 5 * MINUTE - 1)
    assert isinstance(early, Rejected)
    assert early.code == "future_timestamp"
