"""Values written by attribute: the bytes are fastavro's, and what does not fit is named."""

from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from io import BytesIO
from typing import Any, Literal

import fastavro
import pytest
from hypothesis import given
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
from pipeline.health.outputs import AlertEvent, Cause, HealthChange, HealthSnapshot
from pipeline.wire.avro import FRAME_BYTES, Unencodable, unscaled
from pipeline.wire.avro_schema import plain
from pipeline.wire.avro_values import ValueEncoder, integer
from pipeline.wire.contract import Topic
from pipeline.wire.log import RECORDS, LogCodec
from pipeline.wire.outputs import OutputEncoder
from tests.unit.wire.wire_builders import CONTRACT, REGISTRY

OUTPUTS = OutputEncoder(CONTRACT, REGISTRY)
LOG = LogCodec(CONTRACT, REGISTRY)

amounts = st.integers(-(10**17), 10**17).map(lambda n: Decimal(n).scaleb(-4))
shorts = st.integers(-(2**31), 2**31 - 1) | st.integers(-200, 200)
longs = st.integers(-(2**63), 2**63 - 1) | st.integers(2**34, 2**41) | shorts
st.register_type_strategy(Decimal, amounts)
st.register_type_strategy(int, shorts)
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(str, st.text(max_size=80))
# The names of inputs are written as those of their topics.
st.register_type_strategy(Cause, st.builds(Cause, topic=st.text(max_size=20).map("file:{}".format)))


def by_fastavro(topic: Topic, value: dict[str, Any]) -> bytes:
    """*value* as fastavro writes it, without the frame."""
    out = BytesIO()
    fastavro.schemaless_writer(out, plain(CONTRACT.newest(topic)), value, strict_allow_default=True)
    return out.getvalue()


def with_money(fields: dict[str, Any]) -> dict[str, Any]:
    """Output *fields* as fastavro wants them without logical types."""
    return fields | {"cmrr": None if fields["cmrr"] is None else unscaled(fields["cmrr"])}


@given(st.from_type(HealthSnapshot))
def test_a_snapshot_has_the_bytes_of_fastavro(snapshot: HealthSnapshot) -> None:
    """Every field, every null, every nested record."""
    assert OUTPUTS.encode(snapshot)[1][FRAME_BYTES:] == by_fastavro(
        CONTRACT.current, with_money(asdict(snapshot))
    )


@given(st.from_type(HealthChange))
def test_a_change_has_the_bytes_of_fastavro(change: HealthChange) -> None:
    """Points and causes among them."""
    assert OUTPUTS.encode(change)[1][FRAME_BYTES:] == by_fastavro(CONTRACT.change, asdict(change))


@given(st.from_type(AlertEvent))
def test_an_alert_has_the_bytes_of_fastavro(alert: AlertEvent) -> None:
    """Its points are pairs here and records there."""
    points = [{"component": component, "points": points} for component, points in alert.points]

    written = by_fastavro(CONTRACT.alert, with_money(asdict(alert)) | {"points": points})

    assert OUTPUTS.encode(alert)[1][FRAME_BYTES:] == written


BODIES = (
    Tick, Login, SupportTicket, Invoice, SurveyResponse, AccountFacts, AccountClosed, Action, Scorecards,
)  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_an_entry_of_the_log_has_the_bytes_of_fastavro(body: type[Any]) -> None:
    """Each body is its own branch of the union, with money as text."""

    @given(st.builds(LogEntry, longs, st.text(max_size=20), st.integers(0, 900), longs, st.from_type(body)))
    def same(entry: LogEntry) -> None:
        fields = {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in asdict(entry.body).items()
        }
        whole = {name: getattr(entry, name) for name in ("observed_at", "source", "partition", "offset")}
        written = by_fastavro(CONTRACT.log, whole | {"body": (RECORDS[body], fields)})
        assert LOG.encode(entry)[FRAME_BYTES:] == written

    same()


@given(longs)
def test_an_integer_has_the_bytes_of_fastavro(number: int) -> None:
    """One byte, the six bytes of a time, and every other length."""
    out = BytesIO()
    fastavro.schemaless_writer(out, "long", number)
    assert integer(number) == out.getvalue()


def test_integers_fit_64_bits() -> None:
    """What would be read as another number is refused."""
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(OverflowError, match=f"{number} does not fit 64 bits"):
            integer(number)


@dataclass
class Stranger:
    """A body that the log does not know."""

    event_id: str = "e-1"


def ill_typed(action: Action, **fields: Any) -> Action:
    """*action* with values that its types forbid."""
    return replace(action, **fields)


FACTS = AccountFacts("f-1", 5, "Acme", "MID", "LIVE")
ACTION = Action("a-1", 5, "ACKNOWLEDGE", "Mara", None, None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        Stranger(),
        ill_typed(ACTION, author=None),
        ill_typed(ACTION, occurred_at="now"),
        replace(ACTION, occurred_at=2**63),
        replace(FACTS, seats=2**31),
        ill_typed(ACTION, until=1.5),
        ill_typed(ACTION, reason=7),
    ],
    ids=["unknown", "null", "text for a time", "a long", "an int", "fraction", "number for a text"],
)
def test_a_value_that_does_not_fit_is_refused(body: Any) -> None:
    """A bug of ours is named, and no half of a value written."""
    with pytest.raises(Unencodable, match=r"^A value of health\.account-log\.v1 does not fit its schema: "):
        LOG.encode(LogEntry(1, "action", 0, 0, body))


def test_a_symbol_that_the_schema_does_not_have_is_refused() -> None:
    """Bands, severities and kinds are enums."""
    encoder = ValueEncoder(CONTRACT.change, CONTRACT, REGISTRY)

    @dataclass
    class Change:
        account_id: str = "acme"
        epoch: int = 1
        version: int = 1
        kind: Literal["GUESS"] = "GUESS"

        def __getattr__(self, name: str) -> Any:
            return None

    with pytest.raises(Unencodable, match="GUESS"):
        encoder.encode(Change())
