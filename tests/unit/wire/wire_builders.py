"""Contract, registry and records for the tests of the wire; log entries of any content for property tests."""

from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from pipeline.health.events import (
    AccountClosed,
    AccountFacts,
    Action,
    Invoice,
    LogEntry,
    Login,
    Scorecards,
    SupportTicket,
    SurveyResponse,
    Tick,
)
from pipeline.wire.contract import Contract, Schema, Topic
from pipeline.wire.registry import EmbeddedRegistry, UnknownSchemaId

CONTRACT = Contract.load()
REGISTRY = EmbeddedRegistry(CONTRACT)

NOW = 1_772_439_250_000
"""2026-03-02T08:14:10Z."""

LOGIN: dict[str, Any] = {
    "event_id": "01994f0c-6a00-7c1e-9a52-3d1f0b9c7e11",
    "occurred_at": NOW - 1000,
    "source": "app",
    "account_id": "acme",
    "external_id": None,
    "email": "ann@acme.example",
    "user_id": "u-1",
    "channel": "WEB",
    "feature": None,
    "role": "USER",
}

INVOICE: dict[str, Any] = {
    "event_id": "evt_1",
    "occurred_at": NOW - 1000,
    "source": "stripe",
    "account_id": "acme",
    "external_id": None,
    "email": None,
    "invoice_id": "in_1",
    "step": "PAID",
    "amount": Decimal("12750.0000"),
    "currency": "EUR",
    "due_date": 20_515,
    "recurring_amount": None,
    "period_start": None,
    "period_end": None,
}


class Record(NamedTuple):
    """A Kafka record, as much of it as the decoder needs."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int = 2
    offset: int = 991
    timestamp: int = NOW


class RegistryOf:
    """A registry that has these schemas, counts questions, and can be told more later."""

    def __init__(self, **schemas: Schema) -> None:
        self.schemas = {int(name.removeprefix("id_")): schema for name, schema in schemas.items()}
        self.asked = 0

    def id_for(self, topic: Topic) -> int:
        return next(number for number, schema in self.schemas.items() if schema == CONTRACT.newest(topic))

    def schema_for(self, schema_id: int) -> Schema:
        self.asked += 1
        try:
            return self.schemas[schema_id]
        except KeyError:
            raise UnknownSchemaId(str(schema_id)) from None

    def register(self, topic: Topic) -> int:
        return self.id_for(topic)


# The codec writes what the intake has checked: text without lone surrogates, times and days within Avro's
# types.
texts = st.text(st.characters(codec="utf-8"), max_size=300)
times = st.integers(NOW - 10**12, NOW + 10**12) | st.integers(-(2**63), 2**63 - 1)
days = st.integers(-(2**31), 2**31 - 1)
people = st.binary(min_size=8, max_size=8)
money = st.decimals(min_value=0, max_value=10**14 - 1, places=4)

logins = st.builds(Login, texts, times, people, texts, texts, st.none() | texts)
bodies = st.one_of(
    logins,
    st.builds(SupportTicket, texts, times, texts, texts, texts, st.none() | texts, st.none() | people),
    st.builds(Invoice, texts, times, texts, texts, money, texts, days, st.none() | money, st.none() | days),
    st.builds(
        SurveyResponse,
        *(texts, times, texts, texts, texts, st.none() | days, days, days, st.booleans(), st.none() | people),
        *(texts, days),
    ),
    st.builds(
        AccountFacts,
        *(texts, times, texts, texts, texts, st.none() | days, st.none() | money, st.none() | texts),
        *(st.none() | days for _ in range(3)),
        *(st.none() | texts for _ in range(4)),
        st.none() | days,
    ),
    st.builds(AccountClosed, texts, times),
    st.builds(Action, texts, times, texts, texts, *(st.none() | texts for _ in range(3)), st.none() | times),
    st.builds(Scorecards, st.lists(texts)),
)


def entries_of(bodies: st.SearchStrategy[Any]) -> st.SearchStrategy[LogEntry]:
    """Log entries with these bodies, from any place."""
    return st.builds(LogEntry, times, texts, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), bodies)


ticks = st.builds(LogEntry, times, st.just(""), st.just(0), st.just(0), st.builds(Tick))
entries = ticks | entries_of(bodies)
