"""How fast intake and health, side by side, take events from the input topics to delivered health."""

import time
from collections.abc import Iterable

from pipeline.bench.changelog import read_changelog
from pipeline.bench.load import Customers
from pipeline.bench.results import Result, result
from pipeline.bench.stage import PARTITIONS, Stage
from pipeline.intake.received import Received
from pipeline.kafka.records import offsets
from pipeline.ops.account_log import AccountLog
from pipeline.ops.input_writer import LiveInput
from pipeline.ops.topic_plan import HEALTH_GROUP, INTAKE_GROUP, changelog_name
from pipeline.scorecards import load_scorecards
from pipeline.wire.contract import Contract
from pipeline.wire.registry import EmbeddedRegistry

_EVENT_MS = 2


def measure_whole(stage: Stage, *, accounts: int, events: int, skew: float) -> list[Result]:
    """
    Preload *events* and the facts of *accounts* into the input topics, start both workers, wait for the end.
    """
    contract = stage.contract()
    stage.make_topics(contract)
    activate_scorecards(stage, contract)
    stage.say(f"whole: writing {events:,} events about {accounts:,} accounts into the input topics")
    now, customers = int(time.time() * 1000), Customers(accounts, skew=skew)
    send(stage, contract, customers.facts(now - events * _EVENT_MS))
    send(stage, contract, customers.events(range(now - events * _EVENT_MS, now, _EVENT_MS)))

    health = stage.start("pipeline.cli", "worker", "health", prefix=contract.prefix)
    health.wait_until_ready()
    intake = stage.start("pipeline.cli", "worker", "intake", prefix=contract.prefix)
    intake.wait_until_ready()
    begin = time.time()
    inputs = [topic.name for topic in contract.inputs]
    stage.wait_until_read(contract.prefix + INTAKE_GROUP, inputs, intake, health)
    ends = {partition: end for (_, partition), (_, end) in offsets(stage.client, [contract.log.name]).items()}
    stage.wait_until_read(contract.prefix + HEALTH_GROUP, [contract.log.name], intake, health)
    end = read_changelog(stage.client, changelog_name(contract)).reached(ends)

    taken = accounts + events
    stage.say(f"whole: {taken / (end - begin):,.0f} events/s")
    results = [result("whole", "rate", "events/s", [taken / (end - begin)])]
    for name, worker in (("intake", intake), ("health", health)):
        usage = worker.usage(begin, end)
        worker.stop()
        if usage is not None:
            results += [
                result("whole", f"{name}: CPU", "us/event", [1e6 * usage.cpu_seconds / taken]),
                result("whole", f"{name}: memory", "MB", [usage.resident_bytes / 1e6]),
                result("whole", f"{name}: busy cores, all processes", "", [usage.busy_cores]),
            ]
    return results


def activate_scorecards(stage: Stage, contract: Contract) -> None:
    """Write the shipped scorecards into the log of *contract*."""
    registry = EmbeddedRegistry(contract)
    with AccountLog(stage.client, contract, registry, partitions=PARTITIONS) as log:
        log.activate(load_scorecards(), int(time.time() * 1000))


def send(stage: Stage, contract: Contract, events: Iterable[Received]) -> None:
    """
    Write *events* into the input topics, as their systems of record would; returns when all are acknowledged.
    """
    with LiveInput(stage.client, contract, EmbeddedRegistry(contract)) as live:
        for event in events:
            live.send(event)
