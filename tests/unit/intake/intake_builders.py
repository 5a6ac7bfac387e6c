"""Values as decoded inputs have them, one builder per event type: good unless a test changes a field."""

from decimal import Decimal
from typing import Any

from pipeline.intake.directory import AccountDirectory
from pipeline.intake.event_types import BY_NAME
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received, Rejected

NOW = 1_772_439_250_000
"""2026-03-02T08:14:10Z, when everything is observed."""

MINUTE = 60_000
DAY = 86_400_000
TODAY = NOW // DAY

_EVENT = {
    "event_id": "e-1",
    "occurred_at": NOW - MINUTE,
    "source": "app",
    "account_id": "acme",
    "external_id": None,
    "email": None,
}

VALUES: dict[str, dict[str, Any]] = {
    "login": {**_EVENT, "user_id": "u-1", "channel": "WEB", "feature": None, "role": "USER"},
    "support_ticket": {
        **_EVENT,
        "source": "zendesk",
        "ticket_id": "4711",
        "step": "OPENED",
        "severity": "P2",
        "category": None,
        "requester": None,
    },
    "invoice": {
        **_EVENT,
        "source": "stripe",
        "invoice_id": "in_1",
        "step": "ISSUED",
        "amount": Decimal("100.0000"),
        "currency": "EUR",
        "due_date": TODAY + 30,
        "recurring_amount": None,
        "period_start": None,
        "period_end": None,
    },
    "survey": {
        **_EVENT,
        "source": "delighted",
        "survey_id": "s-1",
        "step": "ANSWERED",
        "kind": "NPS",
        "score": 9,
        "scale_min": 0,
        "scale_max": 10,
        "higher_is_better": True,
        "respondent": None,
        "respondent_role": "UNKNOWN",
        "comment": None,
    },
    "account": {
        "event_id": "e-1",
        "occurred_at": NOW - MINUTE,
        "source": "crm",
        "account_id": "acme",
        "name": "Acme",
        "domains": [],
        "external_ids": {},
        "segment": "MID",
        "lifecycle_stage": "LIVE",
        "seats": 10,
        "cmrr": None,
        "currency": None,
        "renewal_date": None,
        "notice_given_on": None,
        "leaves_on": None,
        "owner": None,
        "region": None,
        "industry": None,
        "time_zone": None,
        "start_date": None,
    },
    "action": {
        **{name: value for name, value in _EVENT.items() if name != "email"},
        "source": "telltale",
        "kind": "OVERRIDE",
        "author": "Mara",
        "reason": "Back to the computed band",
        "alert_id": None,
        "band": None,
        "until": None,
    },
}


def record(event: str, **changes: Any) -> Received:
    """A good record of *event* with *changes*; of an account's the key follows the account_id."""
    value = VALUES[event] | changes
    key = value["account_id"].encode() if event == "account" else None
    return Received(event, BY_NAME[event].source, 2, 991, key, NOW, value)


def closing(key: bytes | None) -> Received:
    """A record that closes the account in *key*."""
    return Received("account", "account", 0, 7, key, NOW, None)


def new_intake(*accounts: Received) -> Intake:
    """An intake whose directory knows *accounts*."""
    intake = Intake(directory=AccountDirectory(), pseudonyms=Pseudonyms(b"a key of 16 byte"))
    for account in accounts:
        intake.follow(account, NOW)
    return intake


def accepted(decision: Accepted | Rejected) -> Accepted:
    """What the intake has decided about a record that must be accepted."""
    assert isinstance(decision, Accepted), decision
    return decision


def rejection(received: Received, *accounts: Received) -> tuple[str, str]:
    """Code and detail of a record that must be rejected."""
    decision = new_intake(*accounts).process(received, NOW)
    assert isinstance(decision, Rejected), decision
    return decision.code, decision.detail
