"""A glance at a line says what reading it says, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Received
from pipeline.wire.history_share import LEFT_OUT
from pipeline.wire.line_scan import LineScan
from pipeline.wire.ndjson import EventLines
from tests.unit.wire.wire_builders import CONTRACT, INVOICE, LOGIN, NOW

DIRECTORY = AccountDirectory()
VERSION = {"occurred_at": 1, "event_id": "f"}
DIRECTORY.apply(
    "acme", VERSION | {"domains": ["acme.example", "shared.example"], "external_ids": {"stripe": "cus_17"}}
)
DIRECTORY.apply("böta", VERSION | {"domains": ["shared.example"], "external_ids": {"app": "böta"}})
SCAN = LineScan(DIRECTORY)
LINES = EventLines(CONTRACT)
INTAKE = Intake(directory=DIRECTORY, pseudonyms=Pseudonyms(b"k" * 32))

LINE = {"type": "login", "event_id": "e", "occurred_at": NOW, "source": "app", "user_id": "u"}


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        (LINE | {"account_id": "acme"}, (NOW, b"acme")),
        (LINE | {"account_id": "acme", "observed_at": NOW + 7}, (NOW + 7, b"acme")),
        (LINE | {"account_id": "acme", "observed_at": "2026-03-02T09:14:10+01:00"}, (NOW, b"acme")),
        (LINE | {"account_id": None, "email": "ann@acme.example"}, (NOW, b"acme")),
        (LINE | {"account_id": None, "external_id": "böta"}, (NOW, "böta".encode())),
        (LINE | {"account_id": None, "email": "ann@shared.example"}, (NOW, b"")),
        (LINE | {"account_id": None}, (NOW, b"")),
        (LINE, (NOW, b"")),
        (LINE | {"account_id": "acme", "observed_at": None}, (NOW, b"acme")),
        (LINE | {"account_id": "a\\b"}, (NOW, b"a\\b")),
        ({"external_ids": {"account_id": "beta"}, "account_id": "acme", "occurred_at": NOW}, (NOW, b"acme")),
        (LINE | {"account_id": "acme", "observed_at": "noon"}, None),
        (LINE | {"account_id": "acme", "observed_at": 5}, None),
        (LINE | {"account_id": "acme", "observed_at": NOW * 1000}, None),
        (LINE | {"account_id": "acme", "occurred_at": NOW * 1000}, None),
        (LINE | {"account_id": 17}, None),
        (LINE | {"email": ["ann@acme.example"]}, None),
        ({"type": "login", "occurred_at": NOW, "email": "ann@acme.example"}, None),
        ([LINE], None),
        (None, None),
    ],
)
def test_what_stands_there_plainly_is_seen(line: Any, seen: tuple[int, bytes] | None) -> None:
    """With or without observed_at and account; what is of another type than it should be has to be read."""
    assert SCAN.look_at(json.dumps(line, ensure_ascii=False).encode() + b"\n") == seen


def test_what_is_no_utf_8_is_not_answered() -> None:
    """The reading says what is wrong with it."""
    line = json.dumps(LINE | {"account_id": None, "email": "x@y"}).encode().replace(b"x@y", b"\xff@y")

    assert SCAN.look_at(line) is None


names = st.sampled_from(["observed_at", "account_id", "source", "email", "external_id", '"email":', "{", "}"])
texts = names | st.sampled_from(["acme", "cus_17", "ann@shared.example", "bob@acme.example"]) | st.text()
times = st.integers(NOW - 10**9, NOW) | st.sampled_from(
    ["2026-03-02T08:14:10Z", "2026-03-02 09:14:10.5+01:00"]
)
events = st.builds(
    lambda event, changes: event | changes,
    st.sampled_from([LOGIN | {"type": "login"}, INVOICE | {"type": "invoice", "amount": "1.5"}]),
    st.fixed_dictionaries(
        {"occurred_at": times},
        optional={
            "observed_at": times | st.none(),
            "account_id": st.none() | texts,
            "external_id": st.none() | texts,
            "email": st.none() | texts,
            "source": texts,
            "event_id": texts,
        },
    ),
)


@given(
    fields=events.flatmap(lambda event: st.permutations(list(event.items()))),
    ascii_only=st.booleans(),
    spaced=st.booleans(),
)
def test_a_glance_never_differs_from_reading(
    *, fields: list[tuple[str, Any]], ascii_only: bool, spaced: bool
) -> None:
    """Whatever stands in the line, and wherever."""
    separators = (" , ", " : ") if spaced else (",", ":")
    text = json.dumps(dict(fields), ensure_ascii=ascii_only, separators=separators)
    line = text.encode("utf-8", "surrogatepass")
    seen, received = SCAN.look_at(line), LINES.read(line)

    if isinstance(received, Received):
        account = INTAKE.account_of(received, received.timestamp)
        if isinstance(account, str):
            assert seen in (None, (received.timestamp, account.encode()))
        elif account.code in LEFT_OUT:
            assert seen in (None, (received.timestamp, b""))


@given(events, st.sampled_from(["observed_at", "account_id", "occurred_at", "email"]), times | texts)
def test_of_a_name_that_is_there_twice_the_last_counts(event: dict[str, Any], name: str, item: Any) -> None:
    """As where the line is read."""
    line = json.dumps(event | {name: "twice"})[:-1] + f',"{name}":{json.dumps(item)}}}'

    assert SCAN.look_at(line.encode()) == SCAN.look_at(json.dumps(event | {name: item}).encode())
