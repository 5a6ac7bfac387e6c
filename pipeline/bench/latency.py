"""
From an event to its row in Postgres, at a steady rate: intake, health and sink run as in production.

An open loop: events are sent at moments that were fixed before, and their latency counts from those, so that
a stall of the pipeline, or of the sender, is not hidden by sending less. Only an event that makes a version
by itself has a row to wait for: every ticket opens or solves a P1 and moves its account's score by two points
or more.
"""

import gc
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from pipeline.bench.load import Customers
from pipeline.bench.results import Result, result
from pipeline.bench.stage import Stage
from pipeline.bench.whole import activate_scorecards, send
from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.intake.event_types import BY_NAME
from pipeline.intake.received import Received
from pipeline.kafka.records import Appender
from pipeline.ops.topic_plan import HEALTH_GROUP, INTAKE_GROUP
from pipeline.wire.contract import Contract
from pipeline.wire.inputs import InputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from sinks.postgres import migrations
from sinks.postgres.group import GROUP as SINK_GROUP
from sinks.postgres.reading import HealthReader

RATE: Final = 1_000
SECONDS: Final = 30
WARM_UP_SECONDS: Final = 10
LATE_SECONDS: Final = 0.01
"""A run whose generator was later than this in one event of a hundred says nothing about the pipeline."""

_ACCOUNTS: Final = 2_000
_MIX: Final = {"login": 85, "support_ticket": 15}
_KNOWN_BY: Final = {"invoice": 1, "survey": 1}
_EVENTS_BEFORE: Final = 10
"""Invoices and surveys of each account before the run: without them too little is known for a score."""


class _Planned(NamedTuple):
    """An event ready to be sent, and when."""

    due: float
    event_id: str
    topic: str
    key: bytes | None
    value: bytes


def measure_latency(
    stage: Stage, *, rate: int = RATE, seconds: int = SECONDS, warm_up_seconds: int = WARM_UP_SECONDS
) -> list[Result]:
    """Send *rate* events a second for *seconds*, after *warm_up_seconds* of the same that do not count."""
    stage.say("latency: starting Postgres (durable), sink, health and intake")
    contract = stage.contract()
    stage.make_topics(contract)
    activate_scorecards(stage, contract)
    with EmbeddedPostgres(durable=True) as postgres:
        migrations.upgrade(postgres.dsn)
        pipeline = [
            stage.start("pipeline.cli", *words, prefix=contract.prefix, TELLTALE_DATABASE_URL=postgres.url)
            for words in (("sink", "postgres"), ("worker", "health"), ("worker", "intake"))
        ]
        for process in pipeline:
            process.wait_until_ready()

        def wait_until_stored() -> None:
            outputs = [topic.name for topic in contract.outputs]
            inputs = [topic.name for topic in contract.inputs]
            stage.wait_until_read(contract.prefix + INTAKE_GROUP, inputs, *pipeline)
            stage.wait_until_read(contract.prefix + HEALTH_GROUP, [contract.log.name], *pipeline)
            stage.wait_until_read(contract.prefix + SINK_GROUP, outputs, *pipeline)

        customers = Customers(_ACCOUNTS, skew=0, mix=_KNOWN_BY)
        now = int(time.time() * 1000)
        send(stage, contract, customers.facts(now))
        send(stage, contract, customers.events([now] * _ACCOUNTS * _EVENTS_BEFORE))
        wait_until_stored()
        stage.say(f"latency: {rate:,} events/s for {warm_up_seconds} + {seconds} s")
        planned = _plan(contract, rate * (warm_up_seconds + seconds), rate)
        lateness = _send_on_time(stage, planned)
        wait_until_stored()
        counted = {event.event_id: event.due for event in planned[rate * warm_up_seconds :]}
        latencies = _latencies(postgres.dsn, counted)
        for process in pipeline:
            process.stop()
    return _metrics(stage, latencies, lateness[rate * warm_up_seconds :])


def _plan(contract: Contract, count: int, rate: int) -> list[_Planned]:
    """Encode everything before the first event is due."""
    encoder = InputEncoder(contract, EmbeddedRegistry(contract))
    begin = time.time() + 1 + count / 10_000
    moments = [begin + number / rate for number in range(count)]
    customers = Customers(_ACCOUNTS, skew=0, mix=_MIX, seed=2)
    events = _urgent(customers.events(int(moment * 1000) for moment in moments))
    planned: list[_Planned] = []
    for due, event in zip(moments, events, strict=True):
        assert event.value is not None
        event_id = f"latency-{len(planned)}"
        value = encoder.encode(event.event, {**event.value, "event_id": event_id})
        topic = contract.input(BY_NAME[event.event].source).name
        planned.append(_Planned(due, event_id, topic, event.key, value))
    return planned


def _urgent(events: Iterable[Received]) -> Iterator[Received]:
    """Make every ticket event open a P1, or solve the one before."""
    steps: Counter[bytes | None] = Counter()
    for event in events:
        if event.event != "support_ticket":
            yield event
            continue
        ticket, step = divmod(steps[event.key], 2)
        steps[event.key] += 1
        own = {"ticket_id": f"urgent-{ticket}", "step": ("OPENED", "SOLVED")[step], "severity": "P1"}
        yield event._replace(value={**(event.value or {}), **own})


def _send_on_time(stage: Stage, planned: Sequence[_Planned]) -> list[float]:
    """Send each event when it is due; returns by how much each was late, in seconds."""
    lateness = []
    gc.collect()
    gc.freeze()
    with Appender(stage.client) as appender:
        for event in planned:
            while (wait := event.due - time.time()) > 0:
                time.sleep(wait)
            lateness.append(time.time() - event.due)
            appender.append(event.topic, event.key, event.value)
    gc.unfreeze()
    return lateness


def _latencies(dsn: str, due: dict[str, float]) -> list[float]:
    """
    Seconds until its row, for each event in *due* that made a version: the newest cause of a change is what
    made it.
    """
    found = []
    with HealthReader(dsn) as reader:
        for number in range(_ACCOUNTS):
            for change in reader.changes(f"account-{number:06d}", limit=1_000_000):
                event_id = change.causes[-1]["event_id"] if change.kind == "EVENT" and change.causes else None
                if event_id in due:
                    found.append(change.committed_at.timestamp() - due[event_id])
    return found


def _metrics(stage: Stage, latencies: Sequence[float], lateness: Sequence[float]) -> list[Result]:
    late = _percentile(lateness, 0.99)
    void = late > LATE_SECONDS
    if void:
        stage.say(f"latency: void, the generator was {late * 1000:.0f} ms late at the 99th percentile")
    measure = "latency, void" if void else "latency"
    shares = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    return [
        *(result(measure, name, "ms", [1000 * _percentile(latencies, share)]) for name, share in shares),
        result(measure, "samples", "", [len(latencies)]),
        result(measure, "generator's lateness, p99", "ms", [1000 * late]),
    ]


def _percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a *share* of the *values* does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
