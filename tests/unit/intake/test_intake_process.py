"""One record in, one log entry or one dead letter out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.events import (
    AccountClosed,
    Invoice,
    LogEntry,
    Login,
    Scorecards,
    SupportTicket,
    SurveyResponse,
    Tick,
)
from pipeline.intake.received import CODES, Received, Rejected
from tests.unit.intake.intake_builders import (
    DAY,
    NOW,
    TODAY,
    VALUES,
    accepted,
    closing,
    new_intake,
    record,
    rejection,
)

ACME = record("account", domains=["acme.example"], external_ids={"zendesk": "77"})


def entry_of(received: Received, *accounts: Received) -> LogEntry:
    """The entry of a record that must be accepted."""
    return accepted(new_intake(*accounts).process(received, NOW)).entry


@pytest.mark.parametrize("event", VALUES)
def test_a_good_record_becomes_an_entry_of_its_account(event: str) -> None:
    """The entry keeps the record's place in its source and the time it was observed."""
    received = record(event)

    decision = accepted(new_intake().process(received, NOW))

    assert decision.account_id == "acme"
    entry = decision.entry
    assert (entry.observed_at, entry.source, entry.partition, entry.offset) == (NOW, received.source, 2, 991)
    assert not isinstance(entry.body, Tick | Scorecards)
    assert entry.body.event_id == "e-1"


def test_a_login_keeps_no_name() -> None:
    """Of the person eight bytes are left."""
    login = entry_of(record("login", email="ann@acme.example")).body

    assert isinstance(login, Login)
    assert len(login.person) == 8
    assert b"ann" not in login.person


def test_ids_of_two_sources_never_meet() -> None:
    """Ticket 4711 of one help desk is not ticket 4711 of another."""
    ticket, invoice, survey = (
        entry_of(record(event)).body for event in ("support_ticket", "invoice", "survey")
    )

    assert isinstance(ticket, SupportTicket)
    assert ticket.ticket_id == "zendesk:4711"
    assert isinstance(invoice, Invoice)
    assert invoice.invoice_id == "stripe:in_1"
    assert isinstance(survey, SurveyResponse)
    assert survey.survey_id == "delighted:s-1"


def test_a_comment_leaves_its_length_only() -> None:
    """What somebody wrote stays with the survey tool."""
    survey = entry_of(record("survey", comment="Nobody answers.")).body

    assert isinstance(survey, SurveyResponse)
    assert survey.comment_length == 15
    assert "Nobody" not in repr(survey)


def test_a_period_counts_both_its_ends() -> None:
    """The first of a month to its last day is the whole month."""
    period = {"recurring_amount": Decimal(90), "period_start": TODAY, "period_end": TODAY + 29}

    invoice = entry_of(record("invoice", **period)).body

    assert isinstance(invoice, Invoice)
    assert invoice.period_days == 30


def test_an_unknown_account_is_accepted_by_its_id() -> None:
    """The id is trusted: facts may come later."""
    assert entry_of(record("login", account_id="nobody-yet"))


def test_an_external_id_or_an_address_places_an_event() -> None:
    """In this order, where no account_id is given."""
    intake = new_intake(ACME)
    by_id = record("support_ticket", account_id=None, external_id="77", email="ann@elsewhere.example")
    by_address = record("support_ticket", account_id=None, external_id="78", email="ann@acme.example")

    places = [accepted(intake.process(one, NOW)).account_id for one in (by_id, by_address)]
    assert places == ["acme", "acme"]


def test_an_event_nobody_can_place_is_rejected_with_what_was_tried() -> None:
    """An engineer sees which fact is missing."""
    code, detail = rejection(record("login", account_id=None, external_id="9", email="a@b.example"), ACME)

    assert code == "unresolved_account"
    assert detail == "no account lists the external_id; no account lists the e-mail's domain"


def test_every_fault_of_a_record_is_named() -> None:
    """One look at the dead letter is enough to correct the source."""
    faulty = record("invoice", amount=Decimal("-12.00"), currency="Euro", step="UNKNOWN")

    assert rejection(faulty) == (
        "range",
        "step is UNKNOWN; amount is negative: -12.00; currency is no ISO 4217 code of three capital letters",
    )


def test_the_first_code_of_the_table_names_a_record_with_several() -> None:
    """So that counts by code do not depend on the order of the checks."""
    late = record("survey", occurred_at=NOW + DAY, score=None)

    assert rejection(late)[0] == "missing_field"
    assert list(CODES).index("missing_field") < list(CODES).index("future_timestamp")


def test_a_rejection_says_where_the_record_is() -> None:
    """Source, partition and offset find it again."""
    decision = new_intake().process(record("login", user_id=""), NOW)

    assert isinstance(decision, Rejected)
    assert (decision.source, decision.partition, decision.offset) == ("login", 2, 991)


def test_a_record_without_value_closes_its_account() -> None:
    """The account's feed deletes what is no longer a customer; the event's id survives a retry."""
    intake = new_intake()

    first, second = (accepted(intake.process(closing(b"acme"), at)) for at in (NOW - 5, NOW))

    assert first.account_id == "acme"
    assert first.entry.body == AccountClosed(f"closed:{NOW}", NOW - 5)
    assert isinstance(second.entry.body, AccountClosed)
    assert second.entry.body.event_id == first.entry.body.event_id


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"a\x00b", b"x" * 201])
def test_a_closing_needs_a_key_that_names_an_account(key: bytes | None) -> None:
    """Without it nobody knows whom it closes."""
    assert rejection(closing(key))[0] == "bad_key"


@pytest.mark.parametrize("key", [None, b"other"])
def test_an_account_record_is_keyed_by_its_account(key: bytes | None) -> None:
    """Compaction keeps the latest by key; facts under another key would never be replaced."""
    assert rejection(ACME._replace(key=key))[0] == "bad_key"


def test_what_the_intake_rejects_claims_nothing() -> None:
    """A broken account record must not place events."""
    broken = record("account", domains=["acme.example"], seats=-1)

    code, _ = rejection(record("login", account_id=None, email="ann@acme.example"), broken)

    assert code == "unresolved_account"


def test_a_record_from_the_future_is_rejected_and_claims_nothing() -> None:
    """
    A producer whose clock is ahead stamps record and event alike: both are judged by the intake's own clock.

        |-- now --|- 5 min -|-- occurred_at, Kafka timestamp --|
    """
    ahead = record("account", domains=["acme.example"], occurred_at=NOW + DAY)._replace(timestamp=NOW + DAY)
    intake = new_intake()

    decision = intake.process(ahead, NOW)

    assert isinstance(decision, Rejected)
    assert decision.code == "future_timestamp"
    assert intake.follow(ahead, NOW) == set()


def test_processing_an_account_record_does_not_change_the_directory() -> None:
    """The directory is fed by whoever reads all partitions, so that every worker places alike."""
    intake = new_intake()
    intake.process(ACME, NOW)

    decision = intake.process(record("login", account_id=None, email="ann@acme.example"), NOW)

    assert isinstance(decision, Rejected)


TEXTS = [
    (event, name)
    for event, value in VALUES.items()
    for name, item in value.items()
    if isinstance(item, str)
    or name in {"email", "feature", "comment", "requester", "respondent", "reason", "owner"}
]


@given(place=st.sampled_from(TEXTS), mark=st.sampled_from(["\x07", "\ud800", "x" * 21_000]))
def test_a_detail_never_quotes_text_of_the_record(place: tuple[str, str], mark: str) -> None:
    """Names, addresses and comments do not reach headers, logs or terminals by way of a fault."""
    event, name = place
    faulty = record(event)._replace(value=VALUES[event] | {name: f"dana.ruiz{mark}"})

    decision = new_intake().process(faulty, NOW)

    if isinstance(decision, Rejected):
        assert "dana.ruiz" not in decision.detail
