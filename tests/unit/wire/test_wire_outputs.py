"""What health hands out reaches its readers as it was meant."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipeline.health.outputs import (
    AlertEvent,
    Cause,
    ComponentMove,
    ComponentScore,
    Evidence,
    HealthChange,
    HealthSnapshot,
    OpenAlert,
    Override,
)
from pipeline.wire.contract import Contract
from pipeline.wire.outputs import OutputDecoder, OutputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from tests.unit.wire.wire_builders import CONTRACT, NOW, REGISTRY

ENCODER = OutputEncoder(CONTRACT, REGISTRY)
DECODER = OutputDecoder(CONTRACT, REGISTRY)

SNAPSHOT = HealthSnapshot(
    account_id="acme",
    account_name="Acme",
    epoch=1,
    version=43,
    score=45.55,
    band="WATCH",
    computed_band="AT_RISK",
    forced_by=None,
    coverage=1.0,
    components=(
        ComponentScore(
            name="usage", score=61.0, weight=40.0, points=24.4, reason="74 of 120", fresh_until=NOW
        ),
    ),
    score_7d_ago=71.5,
    score_28d_ago=None,
    open_alerts=(OpenAlert(alert_id="a-1", sign="band", severity="HIGH", opened_at=NOW),),
    override=Override(band="WATCH", author="Mara", reason="On board", expires_at=None),
    cmrr=Decimal(12500),
    currency="EUR",
    renewal_date=20_604,
    owner="Mara",
    segment="MID",
    region=None,
    lifecycle_stage="LIVE",
    seats=120,
    leaves_on=None,
    closed=False,
    scorecard_name="mid",
    scorecard_version="1",
    fold_version=1,
    as_of=NOW,
)

CHANGE = HealthChange(
    account_id="acme",
    epoch=1,
    version=43,
    kind="EVENT",
    score_before=48.4,
    score_after=None,
    band_before="AT_RISK",
    band_after="UNKNOWN",
    coverage_before=1.0,
    coverage_after=0.4,
    points=(ComponentMove(component="usage", before=61.0, after=None, points=0.0),),
    causes=(
        Cause(event_id="e-1", topic="support-ticket", partition=1, offset=2, occurred_at=NOW),
        Cause(event_id="e-2", topic="file:3f1c9a0b77d2e410", partition=0, offset=9, occurred_at=NOW),
        Cause(event_id="e-3", topic="login@Xk3dQ2", partition=0, offset=1, occurred_at=NOW),
    ),
    causes_count=3,
    scorecard_name="mid",
    scorecard_version="1",
    scorecard_digest="15a615547f8edaa4",
    fold_version=1,
    as_of=NOW,
)

ALERT = AlertEvent(
    alert_id="a-1",
    sequence=1,
    story_id="s-1",
    epoch=1,
    version=40,
    account_id="acme",
    account_name=None,
    sign="quality_trouble",
    transition="OPENED",
    severity="HIGH",
    score_before=66.0,
    score_after=49.1,
    points=(("support", -16.9),),
    band="AT_RISK",
    reason="A P1 ticket has been open for 4 h.",
    evidence=(Evidence(fact="p1_open_hours", value=4.0, usual=None),),
    play="Escalate internally.",
    respond_by=NOW,
    cmrr=None,
    currency=None,
    renewal_date=None,
    owner=None,
    opened_at=NOW,
    occurred_at=NOW,
    observed_at=None,
    due_at=NOW,
    resolved_by=None,
    as_of=NOW,
)


def test_a_snapshot_reaches_its_readers_whole() -> None:
    """Every field under its name, lists as lists, money with its four places."""
    read = DECODER.decode("health.current.v1", ENCODER.encode(SNAPSHOT)[1])

    assert read["components"] == [
        {
            "name": "usage",
            "score": 61.0,
            "weight": 40.0,
            "points": 24.4,
            "reason": "74 of 120",
            "fresh_until": NOW,
        }
    ]
    assert read["open_alerts"] == [{"alert_id": "a-1", "sign": "band", "severity": "HIGH", "opened_at": NOW}]
    assert read["override"] == {"band": "WATCH", "author": "Mara", "reason": "On board", "expires_at": None}
    assert str(read["cmrr"]) == "12500.0000"
    plain = {name for name in read if name not in {"components", "open_alerts", "override"}}
    assert {name: read[name] for name in plain} == {name: getattr(SNAPSHOT, name) for name in plain}


def test_a_snapshot_may_know_little() -> None:
    """No override, no facts, no score."""
    empty = replace(SNAPSHOT, override=None, cmrr=None, score=None, components=(), open_alerts=())

    read = DECODER.decode("health.current.v1", ENCODER.encode(empty)[1])

    assert (read["override"], read["cmrr"], read["score"], read["components"]) == (None, None, None, [])


def test_a_cause_names_the_topic_it_came_from() -> None:
    """With the prefix of the deployment, whichever topic id it was; a history file stays a file."""
    contract = Contract.load(prefix="bench.")
    registry = EmbeddedRegistry(contract)

    change = OutputEncoder(contract, registry).encode(CHANGE)[1]

    read = OutputDecoder(contract, registry).decode("bench.health.change.v1", change)
    assert [cause["topic"] for cause in read["causes"]] == [
        "bench.customer.support-ticket.v1",
        "file:3f1c9a0b77d2e410",
        "bench.customer.login.v1",
    ]


def test_a_change_reaches_its_readers_whole() -> None:
    """What is null says that it is unknown."""
    read = DECODER.decode("health.change.v1", ENCODER.encode(CHANGE)[1])

    assert read["points"] == [{"component": "usage", "before": 61.0, "after": None, "points": 0.0}]
    assert (read["score_before"], read["score_after"], read["band_after"]) == (48.4, None, "UNKNOWN")


def test_an_alert_reaches_its_readers_whole() -> None:
    """Points and evidence as records with names."""
    read = DECODER.decode("health.alert.v1", ENCODER.encode(ALERT)[1])

    assert read["points"] == [{"component": "support", "points": -16.9}]
    assert read["evidence"] == [{"fact": "p1_open_hours", "value": 4.0, "usual": None}]
    assert (read["transition"], read["opened_at"], read["due_at"]) == ("OPENED", NOW, NOW)


def test_the_same_value_gives_the_same_bytes() -> None:
    """A repeat after a crash cannot be told from the first."""
    assert ENCODER.encode(SNAPSHOT)[1] == ENCODER.encode(replace(SNAPSHOT, cmrr=Decimal("12500.00")))[1]


def test_every_output_has_the_fields_of_its_schema() -> None:
    """They are written without a look at the names, so one too many would be lost without a word."""
    records = {HealthSnapshot: CONTRACT.current, HealthChange: CONTRACT.change, AlertEvent: CONTRACT.alert}
    named = {
        record["name"]: [field["name"] for field in record["fields"]]
        for topic in records.values()
        for record in records_in(CONTRACT.newest(topic))
    }
    parts: tuple[Any, ...] = (ComponentScore, OpenAlert, Override, ComponentMove, Cause, Evidence)

    for kind in (*records, *parts):
        assert list(kind.__dataclass_fields__) == named[kind.__name__], kind


def records_in(schema: Any) -> Iterator[Any]:
    """Every record schema within *schema*."""
    if isinstance(schema, dict):
        if schema.get("type") == "record":
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from records_in(part)
