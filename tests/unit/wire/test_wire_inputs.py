"""Records of the input topics: bytes of any kind become an event or a dead letter."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.directory import AccountDirectory
from pipeline.intake.event_types import EVENT_TYPES
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import CODES, Accepted, Received, Rejected
from pipeline.wire.contract import Schema
from pipeline.wire.inputs import InputDecoder, InputEncoder
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry, RegistryUnavailable
from tests.unit.wire.wire_builders import CONTRACT, INVOICE, LOGIN, NOW, REGISTRY, Record

DECODER = InputDecoder(CONTRACT, REGISTRY)
ENCODER = InputEncoder(CONTRACT, REGISTRY)
LOG = LogCodec(CONTRACT, REGISTRY)
INTAKE = Intake(directory=AccountDirectory(), pseudonyms=Pseudonyms(b"k" * 32))

ACCOUNT = {"event_id": "a-1", "occurred_at": NOW, "source": "crm", "account_id": "acme", "name": "Acme"}
SURVEY: dict[str, Any] = {
    "event_id": "s-1",
    "occurred_at": NOW,
    "source": "delighted",
    "survey_id": "r-1",
    "step": "ANSWERED",
    "kind": "NPS",
    "score": 9,
    "scale_min": 0,
    "scale_max": 10,
}
VALUES = {
    "login": LOGIN,
    "invoice": INVOICE
    | {"recurring_amount": Decimal("1.5000"), "period_start": 20_000, "period_end": 20_030},
    "survey": SURVEY,
    "account": ACCOUNT | {"cmrr": Decimal("12.0000"), "currency": "EUR", "domains": ["acme.example"]},
}


def test_a_record_keeps_its_place_and_time() -> None:
    """What the log entry will say about where it came from."""
    record = Record("customer.login.v1", ENCODER.encode("login", LOGIN), key=b"acme")

    assert DECODER.decode(record) == Received("login", "login", 2, 991, b"acme", NOW, LOGIN)


def test_a_record_that_is_none_is_rejected_at_its_place() -> None:
    """Code and sentence for people, place for finding it again."""
    rejected = DECODER.decode(Record("customer.support-ticket.v1", b"{}"))

    assert rejected == Rejected(
        code="decode",
        detail="the value does not open with Confluent's header: 0 and a schema id",
        source="support-ticket",
        partition=2,
        offset=991,
    )


def test_only_an_account_may_have_no_value() -> None:
    """There it closes the account; elsewhere nothing was said."""
    closing, nothing = (
        DECODER.decode(Record(topic.name, None, b"acme"))
        for topic in (
            CONTRACT.input("account"),
            CONTRACT.input("login"),
        )
    )

    assert isinstance(closing, Received)
    assert closing.value is None
    assert isinstance(nothing, Rejected)


def test_a_registry_that_is_away_rejects_nothing() -> None:
    """The record waits; it is not the record's fault."""

    class Away(EmbeddedRegistry):
        def schema_for(self, schema_id: int) -> Schema:
            raise RegistryUnavailable(f"nobody answers for {schema_id}")

    decoder = InputDecoder(CONTRACT, Away(CONTRACT))

    with pytest.raises(RegistryUnavailable):
        decoder.decode(Record("customer.login.v1", ENCODER.encode("login", LOGIN)))


@given(
    event=st.sampled_from(list(VALUES)),
    damage=st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF])), max_size=6
    ),
    tail=st.binary(max_size=6),
    key=st.none() | st.binary(max_size=6),
)
def test_damage_of_any_kind_ends_as_an_entry_or_a_dead_letter(
    event: str, damage: list[tuple[int, int]], tail: bytes, key: bytes | None
) -> None:
    """From bytes to bytes nothing is raised, and the codes are those of the closed list."""
    value = bytearray(ENCODER.encode(event, VALUES[event]))
    for place, byte in damage:
        value[place % len(value)] = byte
    topic = next(row.topic for row in EVENT_TYPES if row.name == event)

    received = DECODER.decode(Record(topic, bytes(value) + tail, key))
    decision = INTAKE.process(received, NOW) if isinstance(received, Received) else received

    if isinstance(decision, Accepted):
        assert LOG.decode(LOG.encode(decision.entry)) == decision.entry
    else:
        assert decision.code in CODES
