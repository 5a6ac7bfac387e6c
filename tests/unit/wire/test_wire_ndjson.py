"""Events as lines of JSON: friendly to people, strict about what they mean."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.event_types import BY_NAME, EVENT_TYPES
from pipeline.intake.received import CODES, Received, Rejected
from pipeline.wire.ndjson import EventLines
from tests.unit.wire.wire_builders import CONTRACT, INVOICE, LOGIN, NOW

LINES = EventLines(CONTRACT)

LOGIN_LINE = {
    "type": "login",
    "event_id": "e-1",
    "occurred_at": "2026-03-02T08:14:09Z",
    "source": "app",
    "account_id": "acme",
    "user_id": "u-1",
}
INVOICE_LINE = {
    "type": "invoice",
    "event_id": "evt_1",
    "occurred_at": NOW,
    "source": "stripe",
    "external_id": "cus_17",
    "invoice_id": "in_1",
    "step": "paid",
    "amount": 12750,
    "currency": "EUR",
    "due_date": "2026-03-03",
}


def read(line: dict[str, Any]) -> Received:
    """A line that must be good."""
    received = LINES.read(json.dumps(line).encode())
    assert isinstance(received, Received), received
    return received


def refusal(line: dict[str, Any] | bytes) -> tuple[str, str]:
    """Code and detail of a line that must be refused."""
    rejected = LINES.read(line if isinstance(line, bytes) else json.dumps(line).encode())
    assert isinstance(rejected, Rejected), rejected
    return rejected.code, rejected.detail


def test_a_short_line_is_enough() -> None:
    """
    What has a default may be missing; the event was observed when it happened unless the line says more.
    """
    received = read(LOGIN_LINE)

    assert received.value == LOGIN | {
        "event_id": "e-1",
        "occurred_at": NOW - 1000,
        "email": None,
        "channel": "UNKNOWN",
        "role": "UNKNOWN",
    }
    assert (received.event, received.source, received.key, received.timestamp) == (
        "login",
        "login",
        b"acme",
        NOW - 1000,
    )


@pytest.mark.parametrize(
    "time", ["2026-03-02T08:14:10Z", "2026-03-02T09:14:10.000+01:00", "2026-03-02 08:14:10.000999+00:00", NOW]
)
def test_a_time_is_iso_8601_or_ms(time: str | int) -> None:
    """Parts of a millisecond are dropped."""
    assert read(LOGIN_LINE | {"observed_at": time}).timestamp == NOW


@pytest.mark.parametrize("amount", [12750, "12750", "12750.00", 12750.0, "1.275E4"])
def test_an_amount_is_a_number_or_a_text(amount: object) -> None:
    """And always comes out with four places, so that the same money gives the same bytes."""
    value = read(INVOICE_LINE | {"amount": amount}).value

    assert value is not None
    assert str(value["amount"]) == "12750.0000"


def test_an_amount_keeps_its_cents() -> None:
    """A float would have lost them before anybody looked."""
    line = json.dumps(INVOICE_LINE).replace("12750", "99999999999999.9999").encode()

    received = LINES.read(line)

    assert isinstance(received, Received)
    assert received.value is not None
    assert received.value["amount"] == Decimal("99999999999999.9999")


@pytest.mark.parametrize("day", ["2026-03-03", 20_515])
def test_a_date_is_iso_8601_or_days(day: str | int) -> None:
    """Days since 1970-01-01."""
    value = read(INVOICE_LINE | {"due_date": day}).value

    assert value is not None
    assert value["due_date"] == 20_515


@pytest.mark.parametrize("step", ["paid", "PAID", "Paid"])
def test_an_enum_is_in_any_case(step: str) -> None:
    """As people type it."""
    value = read(INVOICE_LINE | {"step": step}).value

    assert value is not None
    assert value["step"] == "PAID"


def test_a_closing_line_closes_an_account() -> None:
    """Like a record without a value."""
    line = {"type": "account", "account_id": "acme", "occurred_at": NOW, "closed": True}

    assert read(line) == Received("account", "account", 0, 0, b"acme", NOW, None)
    assert refusal(line | {"account_id": None})[0] == "missing_field"
    assert refusal(line | {"occurred_at": None})[0] == "missing_field"


NO_TIME = "which is no time in ms between 2000 and 2100"


@pytest.mark.parametrize("name", ["observed_at", "occurred_at"])
@pytest.mark.parametrize(
    ("time", "ms"), [(5, 5), (NOW * 1000, NOW * 1000), ("2100-01-01T00:00:00Z", 4_102_444_800_000)]
)
def test_a_closing_line_has_a_time_of_this_century(name: str, time: int | str, ms: int) -> None:
    """Nothing after it looks at the time of a record without a value."""
    line = {"type": "account", "account_id": "acme", "occurred_at": NOW, "closed": True}

    assert refusal(line | {name: time}) == ("range", f"{name} is {ms}, {NO_TIME}")


@pytest.mark.parametrize("time", [5, NOW // 1000, NOW * 1000, -1])
def test_a_line_becomes_known_in_this_century(time: int) -> None:
    """An observation in µs would let 500 million hours pass in a history."""
    assert refusal(LOGIN_LINE | {"observed_at": time}) == ("range", f"observed_at is {time}, {NO_TIME}")


@pytest.mark.parametrize("time", ["2000-01-01T00:00:00Z", "2099-12-31T23:59:59.999Z"])
def test_the_whole_century_is_taken(time: str) -> None:
    """From its first millisecond to its last."""
    read(LOGIN_LINE | {"observed_at": time})


def test_half_a_character_is_refused() -> None:
    """JSON can name one, UTF-8 cannot."""
    assert refusal(LOGIN_LINE | {"account_id": "ac\ud800me"})[0] == "decode"


SAYS_TIME = "is neither ms nor ISO 8601 with an offset, such as 2026-01-31T09:30:00Z"
SAYS_MONEY = "is no amount of at most 14 digits before and 4 after the point"


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (b"", "decode", "the line is no JSON in UTF-8"),
        (b"{", "decode", "the line is no JSON in UTF-8"),
        (b'{"a": "\xff"}', "decode", "the line is no JSON in UTF-8"),
        (b"{} {}", "decode", "the line is no JSON in UTF-8"),
        (b"[" * 100_000, "decode", "the line is no JSON in UTF-8"),
        (b'{"type": "login", "score": NaN}', "decode", "the line is no JSON in UTF-8"),
        (b"[]", "schema_mismatch", "the line is no JSON object whose type is one of"),
        ({"type": "logins"}, "schema_mismatch", ", ".join(BY_NAME)),
        ({"type": ["login"]}, "schema_mismatch", "the line is no JSON object whose type is one of"),
        (LOGIN_LINE | {"occurred_at": "2026-03-02T08:14:09"}, "schema_mismatch", f"occurred_at {SAYS_TIME}"),
        (LOGIN_LINE | {"occurred_at": "yesterday"}, "schema_mismatch", f"occurred_at {SAYS_TIME}"),
        (LOGIN_LINE | {"occurred_at": 1.5}, "schema_mismatch", f"occurred_at {SAYS_TIME}"),
        (LOGIN_LINE | {"occurred_at": True}, "schema_mismatch", f"occurred_at {SAYS_TIME}"),
        (LOGIN_LINE | {"occurred_at": 10**30}, "schema_mismatch", f"occurred_at {SAYS_TIME}"),
        (LOGIN_LINE | {"observed_at": "later"}, "schema_mismatch", f"observed_at {SAYS_TIME}"),
        (LOGIN_LINE | {"user_id": 17}, "schema_mismatch", "user_id is no text"),
        (LOGIN_LINE | {"user_id": None}, "schema_mismatch", "user_id is no text"),
        (LOGIN_LINE | {"channel": None}, "schema_mismatch", "channel is none of UNKNOWN, WEB, MOBILE, API"),
        (LOGIN_LINE | {"channel": "fax"}, "schema_mismatch", "channel is none of UNKNOWN, WEB, MOBILE, API"),
        (LOGIN_LINE | {"occured_at": NOW}, "schema_mismatch", "there is no field 'occured_at'"),
        (INVOICE_LINE | {"amount": "12,50"}, "schema_mismatch", f"amount {SAYS_MONEY}"),
        (INVOICE_LINE | {"amount": "0.00001"}, "schema_mismatch", f"amount {SAYS_MONEY}"),
        (INVOICE_LINE | {"amount": "NaN"}, "schema_mismatch", f"amount {SAYS_MONEY}"),
        (INVOICE_LINE | {"amount": 10**14}, "schema_mismatch", f"amount {SAYS_MONEY}"),
        (INVOICE_LINE | {"amount": "1E400"}, "schema_mismatch", f"amount {SAYS_MONEY}"),
        (INVOICE_LINE | {"amount": True}, "schema_mismatch", f"amount {SAYS_MONEY}"),
        (INVOICE_LINE | {"due_date": "2026-02-30"}, "schema_mismatch", "due_date is neither an ISO date"),
        ({"type": "account", "domains": "a.example"}, "schema_mismatch", "domains is no list of texts"),
        (
            {"type": "account", "external_ids": {"app": 1}},
            "schema_mismatch",
            "external_ids is no object of texts",
        ),
        ({"type": "account", "seats": 2**31}, "schema_mismatch", "seats is no whole number of 32 bits"),
        (
            {"type": "survey", "higher_is_better": 1},
            "schema_mismatch",
            "higher_is_better is neither true nor false",
        ),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: dict[str, Any] | bytes, code: str, says: str) -> None:
    """In words that tell how to put it right."""
    found, detail = refusal(line)

    assert found == code
    assert says in detail


def test_every_fault_of_a_line_is_named() -> None:
    """One look is enough to correct it."""
    line = {name: item for name, item in LOGIN_LINE.items() if name != "event_id"} | {
        "user_id": 1,
        "mail": "",
    }

    assert refusal(line) == (
        "schema_mismatch",
        "event_id is missing; there is no field 'mail'; user_id is no text",
    )


FIELDS = [
    (event_type.name, field["name"])
    for event_type in EVENT_TYPES
    for field in CONTRACT.newest(CONTRACT.input(event_type.source))["fields"]
]
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)


@given(st.sampled_from(FIELDS), JSON)
def test_a_field_of_any_kind_is_a_value_or_refused(place: tuple[str, str], item: Any) -> None:
    """Whatever JSON can hold."""
    event, name = place

    decision = LINES.read(json.dumps({"type": event, name: item}).encode())

    assert isinstance(decision, Received) or decision.code in CODES


@pytest.mark.parametrize(
    "received",
    [
        Received("login", "login", 0, 0, b"acme", NOW, LOGIN),
        Received(
            "invoice", "invoice", 0, 0, b"acme", NOW + 7, INVOICE | {"period_start": 1, "period_end": 30}
        ),
        Received("account", "account", 0, 0, b"acme", NOW, None),
    ],
)
def test_what_is_written_is_read_again(received: Received) -> None:
    """An export is a history."""
    line = LINES.write(received)

    assert line.endswith(b"}\n")
    assert LINES.read(line) == received
