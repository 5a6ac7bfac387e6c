"""The codec of one topic: strict when it writes, ready for anything when it reads."""

import copy
from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wire import avro
from pipeline.wire.avro import MOST_BYTES, Decoder, Encoder, Undecodable, Unencodable, scaled, unscaled
from pipeline.wire.avro_schema import plain
from pipeline.wire.contract import Schema
from tests.unit.wire.wire_builders import CONTRACT, INVOICE, LOGIN, REGISTRY, RegistryOf, money

LOGINS = CONTRACT.input("login")
INVOICES = CONTRACT.input("invoice")
LOGIN_SCHEMA = CONTRACT.newest(LOGINS)
LOGIN_BYTES = Encoder(LOGINS, CONTRACT, REGISTRY).encode(LOGIN)


def outcome(decoder: Decoder, payload: bytes) -> str:
    """The code *payload* is refused with, or ``value``."""
    try:
        decoder.decode(payload)
    except Undecodable as refused:
        return refused.code
    return "value"


def changed(schema: Schema, **types: Any) -> dict[str, Any]:
    """
    *schema* with other types for some fields; a field it does not have is added, one of type ``None``
    removed.
    """
    new = copy.deepcopy(dict(schema))
    kept = [field | {"type": types.pop(field["name"], field["type"])} for field in new["fields"]]
    new["fields"] = [field for field in kept if field["type"] is not None]
    new["fields"] += [{"name": name, "type": kind} for name, kind in types.items()]
    return new


def as_written_with(schema: Schema, value: dict[str, Any]) -> tuple[Decoder, bytes]:
    """
    A decoder of logins and the bytes of *value* as a producer with another schema writes them, under id 50.
    """
    registry = RegistryOf(id_1=LOGIN_SCHEMA, id_50=schema)
    header = b"\0\0\0\0\x32"
    body = BytesIO()
    fastavro.schemaless_writer(body, plain(schema), value)
    return Decoder(LOGINS, CONTRACT, registry), header + body.getvalue()


def test_a_value_survives_its_bytes() -> None:
    """Times stay integers, money stays exact."""
    payload = Encoder(INVOICES, CONTRACT, REGISTRY).encode(INVOICE)

    assert Decoder(INVOICES, CONTRACT, REGISTRY).decode(payload) == INVOICE


def test_fields_with_a_default_may_be_missing() -> None:
    """A producer writes what it has."""
    short = {name: item for name, item in LOGIN.items() if item is not None}

    assert Encoder(LOGINS, CONTRACT, REGISTRY).encode(short) == LOGIN_BYTES


@pytest.mark.parametrize(
    "change",
    [
        {"device": "phone"},
        {"user_id": None},
        {"user_id": 17},
        {"channel": "FAX"},
        {"occurred_at": "2026-03-02"},
        {"occurred_at": 2**70},
        {"account_id": "a\ud800"},
    ],
)
def test_a_value_that_does_not_fit_is_not_written(change: dict[str, Any]) -> None:
    """A field too many is refused too: it would be lost without a word."""
    with pytest.raises(Unencodable, match=LOGINS.name):
        Encoder(LOGINS, CONTRACT, REGISTRY).encode(LOGIN | change)


@given(money, st.booleans())
def test_money_survives_its_bytes(amount: Decimal, negative: bool) -> None:  # noqa: FBT001
    """All 18 digits of it."""
    exact = -amount if negative else amount

    assert scaled(unscaled(exact)) == exact


@pytest.mark.parametrize("amount", ["0.00001", "100000000000000", "NaN", "-Infinity", "1E+40"])
def test_money_that_does_not_fit_is_not_written(amount: str) -> None:
    """Rounding it would be worse than refusing it."""
    with pytest.raises(Unencodable, match="14 digits"):
        unscaled(Decimal(amount))


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_value_or_refused(body: bytes) -> None:
    """Behind a good header nothing else is ever raised."""
    decoder = Decoder(CONTRACT.input("account"), CONTRACT, REGISTRY)

    assert outcome(decoder, b"\0\0\0\0\x05" + body) in {"value", "decode", "range"}


@given(st.integers(0, len(LOGIN_BYTES) - 1), st.integers(0, 255))
def test_a_damaged_value_is_a_value_or_refused(place: int, byte: int) -> None:
    """Wherever a byte was turned."""
    damaged = LOGIN_BYTES[:place] + bytes([byte]) + LOGIN_BYTES[place + 1 :]

    outcomes = {"value", "decode", "unknown_schema", "schema_mismatch"}
    assert outcome(Decoder(LOGINS, CONTRACT, REGISTRY), damaged) in outcomes


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "decode"),
        (b"\0\0\0", "decode"),
        (b'{"event_id": "e-1"}', "decode"),
        (b"\1" + LOGIN_BYTES[1:], "decode"),
        (LOGIN_BYTES[:-1], "decode"),
        (LOGIN_BYTES + b"x", "decode"),
        (b"\0\0\0\0\x63" + LOGIN_BYTES[5:], "unknown_schema"),
        (b"\0\0\0\0\x02" + LOGIN_BYTES[5:], "schema_mismatch"),
        (LOGIN_BYTES + b"x" * MOST_BYTES, "too_large"),
        (b"\0\0\0\0\x01\x06abc\x00\x06\xff\xfe\xfd", "decode"),
    ],
)
def test_what_is_wrong_with_bytes_has_a_code(payload: bytes, code: str) -> None:
    """Each way to be no login."""
    assert outcome(Decoder(LOGINS, CONTRACT, REGISTRY), payload) == code


def test_an_amount_of_a_megabyte_is_refused_at_once() -> None:
    """Its digits would take minutes to convert."""
    invoice = Encoder(INVOICES, CONTRACT, REGISTRY).encode(INVOICE)
    digits = unscaled(INVOICE["amount"])
    amount = bytes([len(digits) << 1]) + digits
    huge = b"\x80\xb5\x18" + b"\x7f" * 200_000  # a length of 200,000 in front
    assert amount in invoice

    assert outcome(Decoder(INVOICES, CONTRACT, REGISTRY), invoice.replace(amount, huge)) == "range"


def test_an_older_producer_is_understood() -> None:
    """A field it did not have yet takes its default."""
    older = changed(LOGIN_SCHEMA, role=None)
    value = {name: item for name, item in LOGIN.items() if name != "role"}
    decoder, payload = as_written_with(older, value)

    assert decoder.decode(payload) == LOGIN | {"role": "UNKNOWN"}


def test_a_newer_producer_is_understood() -> None:
    """A symbol that is not known here reads as UNKNOWN, a new field is passed over."""
    channel = next(field["type"] for field in LOGIN_SCHEMA["fields"] if field["name"] == "channel")
    newer = changed(
        LOGIN_SCHEMA, channel=channel | {"symbols": [*channel["symbols"], "WATCH"]}, device=["null", "string"]
    )
    decoder, payload = as_written_with(newer, LOGIN | {"channel": "WATCH", "device": "wrist"})

    assert decoder.decode(payload) == LOGIN | {"channel": "UNKNOWN"}


def micros(schema: Schema) -> dict[str, Any]:
    return changed(schema, occurred_at={"type": "long", "logicalType": "timestamp-micros"})


def other_record(schema: Schema) -> dict[str, Any]:
    return dict(schema) | {"name": "Logout"}


def bottomless(schema: Schema) -> dict[str, Any]:
    return changed(schema, nothing={"type": "array", "items": "null"})


def empty_records(schema: Schema) -> dict[str, Any]:
    return changed(schema, nothing={"type": "array", "items": {"type": "record", "name": "E", "fields": []}})


def records_of_null(schema: Schema) -> dict[str, Any]:
    inner = {"type": "record", "name": "I", "fields": [{"name": "x", "type": "null"}]}
    items = {"type": "record", "name": "E", "fields": [{"name": "i", "type": inner}]}
    return changed(schema, nothing={"type": "array", "items": items})


def fixed_of_nothing(schema: Schema) -> dict[str, Any]:
    return changed(schema, nothing={"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})


def named_elsewhere(schema: Schema) -> dict[str, Any]:
    fixed = {"type": "fixed", "name": "F", "size": 0}
    return changed(schema, one=fixed, nothing={"type": "array", "items": "F"})


def doubled(schema: Schema) -> dict[str, Any]:
    types: dict[str, Any] = {
        "a0": {"type": "record", "name": "A0", "fields": [{"name": "x", "type": "null"}]}
    }
    for n in range(1, 3):
        twice = [{"name": name, "type": f"A{n - 1}"} for name in "xy"]
        types[f"a{n}"] = {"type": "record", "name": f"A{n}", "fields": twice}
    return changed(schema, **types)


def recursive_items(schema: Schema) -> dict[str, Any]:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": "Node"}]}
    return changed(schema, nothing={"type": "array", "items": node})


def recursive(schema: Schema) -> dict[str, Any]:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
    return changed(schema, chain=["null", node])


PAIR = {"x": {"x": None}, "y": {"x": None}}


def other_type(schema: Schema) -> dict[str, Any]:
    return changed(schema, user_id="long")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (micros, {"occurred_at": 1}),
        (other_record, {}),
        (bottomless, {"nothing": [None] * 1000}),
        (empty_records, {"nothing": [{}] * 1000}),
        (records_of_null, {"nothing": [{"i": {"x": None}}] * 1000}),
        (fixed_of_nothing, {"nothing": [b""] * 1000}),
        (named_elsewhere, {"one": b"", "nothing": [b""] * 1000}),
        (doubled, {"a0": {"x": None}, "a1": PAIR, "a2": {"x": PAIR, "y": PAIR}}),
        (recursive_items, {"nothing": []}),
        (recursive, {"chain": None}),
        (other_type, {"user_id": 17}),
    ],
)
def test_a_schema_that_means_something_else_is_refused(
    change: Callable[[Schema], dict[str, Any]], value: dict[str, Any]
) -> None:
    """A registry would let it pass: the bytes have the right form."""
    decoder, payload = as_written_with(change(LOGIN_SCHEMA), LOGIN | value)

    assert outcome(decoder, payload) == "schema_mismatch"


def test_a_list_of_records_with_bytes_is_read() -> None:
    """Though a field of theirs has none, and the records are used again."""
    fields = [{"name": "x", "type": "null"}, {"name": "n", "type": ["null", "int"]}]
    items = {"type": "record", "name": "E", "fields": fields}
    some = {"x": None, "n": None}
    decoder, payload = as_written_with(
        changed(LOGIN_SCHEMA, one=items, more={"type": "array", "items": "E"}),
        LOGIN | {"one": some, "more": [some] * 3},
    )

    assert decoder.decode(payload) == LOGIN


def test_a_schema_that_refers_to_another_is_refused() -> None:
    """It cannot be read by itself, and must not stop the worker."""
    registry = RegistryOf(id_50=changed(LOGIN_SCHEMA, channel="telltale.customer.v1.Elsewhere"))

    assert outcome(Decoder(LOGINS, CONTRACT, registry), b"\0\0\0\0\x32") == "schema_mismatch"


def test_an_id_is_asked_for_once() -> None:
    """A million values, one request; a flood of a bad id too."""
    registry = RegistryOf(id_1=LOGIN_SCHEMA)
    decoder = Decoder(LOGINS, CONTRACT, registry)

    for _ in range(3):
        decoder.decode(LOGIN_BYTES)
        assert outcome(decoder, b"\0\0\0\0\x32" + LOGIN_BYTES[5:]) == "unknown_schema"

    assert registry.asked == 2


def test_an_id_that_was_registered_since_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute later, without a restart."""
    now = [0.0]
    monkeypatch.setattr(avro, "monotonic", lambda: now[0])
    registry = RegistryOf(id_1=LOGIN_SCHEMA)
    decoder = Decoder(LOGINS, CONTRACT, registry)
    later = b"\0\0\0\0\x32" + LOGIN_BYTES[5:]
    assert outcome(decoder, later) == "unknown_schema"

    registry.schemas[50] = LOGIN_SCHEMA
    now[0] = 31.0

    assert decoder.decode(later) == LOGIN
