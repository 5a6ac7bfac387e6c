"""
Records that cannot be used: each goes aside once, as received and with its code, and its neighbours count.
"""

import copy
import random
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Any

import fastavro
import pytest

from tests.faults.evidence import gather
from tests.faults.generator import TOPICS, Event, Traffic
from tests.faults.outside_avro import OutsideAvro
from tests.faults.schema_registry_server import SchemaRegistryServer, login_schema
from tests.faults.stage import Stage
from tests.integration.running_pipeline import now_ms

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

LOGINS, TICKETS, INVOICES, SURVEYS, ACCOUNTS = TOPICS.values()
AVRO = OutsideAvro()
POISON_FLOOD = 20
"""Exit code of a worker that stops because of too much poison."""

Junk = tuple[str, bytes | None, bytes | None, str]
"""Topic, key, value, and the code it must get."""


def an_event(kind: str, **changes: Any) -> dict[str, Any]:
    """A good event of *kind*, but for *changes*."""
    traffic = Traffic(1, accounts=1, prefix="junk")
    events = traffic.facts() if kind == "account" else traffic.events(500)
    value = next(event.value for event in events if event.kind == kind)
    return value | {"account_id": "junk-0000"} | changes


def poison() -> list[Junk]:
    """What no Avro reader takes, and keys that are not the account's."""
    good = AVRO.encode(LOGINS, an_event("login"))
    facts = AVRO.encode(ACCOUNTS, an_event("account"))
    return [
        (LOGINS, b"k", b"", "decode"),
        (LOGINS, b"k", None, "decode"),
        (LOGINS, None, b"\x01" + good[1:], "decode"),
        (LOGINS, b"k", good[:-3], "decode"),
        (LOGINS, b"k", good[:5], "decode"),
        (TICKETS, b"k", b"\0\0\0\0\x02" + random.Random(1).randbytes(200_000), "decode"),
        (LOGINS, b"k", b"\0\0\0\0\x01" + b"\xff" * 1_000_100, "too_large"),
        (INVOICES, b"k", good, "schema_mismatch"),
        (LOGINS, b"k", b"\0\0\0\x03\xe7" + good[5:], "unknown_schema"),
        (LOGINS, b"k", good.replace(b"login-", b"\xff\xfe\xfd\xff\xff\xff"), "decode"),
        (ACCOUNTS, None, facts, "bad_key"),
        (ACCOUNTS, b"another", facts, "bad_key"),
        (ACCOUNTS, b"\xff\xfe", facts, "bad_key"),
        (ACCOUNTS, b"\xff\xfe", None, "bad_key"),
    ]


def semantic_junk() -> list[Junk]:
    """Good Avro that says what cannot be."""
    hour = 3_600_000
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("invoice", {"amount": Decimal("-1.0000")}, "range"),
        ("invoice", {"currency": "euro"}, "range"),
        ("survey", {"step": "ANSWERED", "score": 11}, "range"),
        ("survey", {"step": "ANSWERED", "score": -1}, "range"),
        ("survey", {"step": "ANSWERED", "score": None}, "missing_field"),
        ("survey", {"comment": "x" * 100_000}, "range"),
        ("login", {"occurred_at": 0}, "range"),
        ("login", {"occurred_at": now_ms() * 1000}, "range"),
        ("login", {"occurred_at": now_ms() + hour}, "future_timestamp"),
        ("login", {"user_id": ""}, "range"),
        ("login", {"event_id": "a\tb"}, "range"),
        ("ticket", {"step": "UNKNOWN"}, "range"),
        (
            "login",
            {"account_id": None, "external_id": None, "email": "x@nobody.example"},
            "unresolved_account",
        ),
    ]
    return [
        (TOPICS[kind], b"k", AVRO.encode(TOPICS[kind], an_event(kind, **changes)), code)
        for kind, changes, code in bad
    ]


@pytest.mark.parametrize("make", [poison, semantic_junk], ids=["bytes", "meaning"])
def test_d1_d4_junk_goes_aside_and_its_neighbours_count(
    streams: Stage, seed: int, make: Callable[[], list[Junk]]
) -> None:
    """Between good events, so that one skipped or repeated because of the junk would show."""
    traffic, junk = Traffic(seed, accounts=20), make()
    streams.feeder.send_all(traffic.facts())
    streams.start()
    for number, event in enumerate(traffic.events(60 * len(junk))):
        streams.feeder.send(event)
        if number % 60 == 30:
            topic, key, value, code = junk[number // 60]
            streams.feeder.send_junk(topic, value, code=code, key=key)
            streams.line.fault(code)
    streams.feeder.flush()
    streams.lag_0()
    streams.judge()


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in schema["fields"] if f["name"] == name)
    return found


def evolved() -> dict[int, dict[str, Any]]:
    """Versions of a login that other teams might have registered, by id."""
    versions = {number: copy.deepcopy(login_schema()) for number in (101, 102, 103, 104, 105)}
    versions[101]["fields"].append({"name": "device", "type": ["null", "string"], "default": None})
    versions[102]["fields"].remove(field(versions[102], "feature"))
    field(versions[103], "channel")["type"]["symbols"].append("TELEVISION")
    field(versions[104], "user_id")["name"] = "uid"
    field(versions[105], "occurred_at")["type"] = "string"
    return versions


def test_d2_d3_schemas_of_others_and_a_registry_that_fails(streams: Stage, seed: int) -> None:
    """
    While the registry answers 500 nothing is judged; then compatible versions count and the others go aside.

        | 500 . . . . . . . . 8 s| 200: added field, dropped field, new symbol: applied
                                 |      renamed, other type, unknown id: aside
    """
    traffic, versions = Traffic(seed, accounts=20), evolved()
    changed: dict[int, tuple[dict[str, Any], str | None]] = {
        101: ({"device": "phone"}, None),
        102: ({}, None),
        103: ({"channel": "TELEVISION"}, None),
        104: ({"uid": "somebody"}, "schema_mismatch"),
        105: ({"occurred_at": "yesterday"}, "schema_mismatch"),
    }
    with SchemaRegistryServer(versions) as registry:
        streams.pipeline.environment["TELLTALE_REGISTRY_URL"] = registry.url
        streams.feeder.send_all(traffic.facts())
        streams.start()
        streams.feeder.send_all(islice(traffic.events(1_000), 500))
        streams.lag_0()
        registry.status = 500
        streams.line.fault("registry answers 500 for 8 s")
        for number, (changes, code) in changed.items():
            schema = fastavro.parse_schema(versions[number])
            value = an_event("login", event_id=f"by-{number}", account_id="acc-0001") | changes
            payload = AVRO.encode_with(schema, number, value)
            if code is None:
                streams.feeder.send(Event("login", "acc-0001", value), payload=payload)
            else:
                streams.feeder.send_junk(LOGINS, payload, code=code)
            streams.line.fault(f"schema {number}: {code or 'compatible'}")
        streams.feeder.send_junk(LOGINS, b"\0\0\0\x03\xe7abc", code="unknown_schema")
        streams.line.fault("schema id nobody knows")
        streams.feeder.flush()
        time.sleep(8)
        assert not gather(streams.brokers).dead_letters
        registry.status = 200
        streams.feeder.send_all(traffic.events(500))
        streams.lag_0()
        streams.judge()


def test_d5_a_flood_of_poison_stops_the_intake(streams: Stage, seed: int) -> None:
    """A source that has gone mad is not drained into the dead letters: the intake stops, and stops again."""
    traffic = Traffic(seed, accounts=5)
    streams.feeder.send_all(traffic.facts())
    for number in range(12_000):
        streams.feeder.send_junk(LOGINS, b"mad %d" % number, code="decode")
    streams.feeder.flush()
    streams.line.fault("12,000 unreadable records")
    streams.line.events = len(streams.ground_truth)
    for _ in range(2):
        streams.start("intake")
        assert streams.running.pop("intake").wait(60) == POISON_FLOOD
    dead_letters = gather(streams.brokers).dead_letters

    assert len(dead_letters) < 6_000
