"""``telltale worker intake|health``: one Faust worker in this process, until SIGTERM or Ctrl-C."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agents.health import HealthWorker
    from agents.intake import IntakeWorker
    from agents.worker import Prepared
    from pipeline.settings import Settings
    from pipeline.wire.contract import Contract


@click.group()
def worker() -> None:
    """Run one worker of the pipeline."""


@worker.command()
def intake() -> None:
    """Read the input topics, write the account log and the dead letters, tell the time."""
    from agents.intake import IntakeWorker
    from agents.worker import run_worker
    from pipeline.intake.pseudonyms import Pseudonyms
    from pipeline.kafka.client import client_configuration
    from pipeline.kafka.topics import topic_ids
    from pipeline.ops.process import observed
    from pipeline.ops.topic_plan import HEALTH_GROUP, INTAKE_GROUP
    from pipeline.ops.worker_app import worker_app
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry

    settings = load_settings("brokers", "pseudonym_key")
    contract = Contract.load(settings.topic_prefix)
    client = client_configuration(settings.brokers, settings.security)
    running = IntakeWorker(
        worker_app(settings, INTAKE_GROUP),
        contract=contract,
        registry=open_registry(contract, settings.registry_url.get_secret_value()),
        pseudonyms=Pseudonyms(settings.pseudonym_key.get_secret_value().encode()),
        tick_seconds=settings.tick_seconds,
        set_floods_aside=settings.set_floods_aside,
        input_topic_ids=lambda: topic_ids(client, [topic.name for topic in contract.inputs]),
        dead_letter_ids=lambda: topic_ids(
            client, [contract.dead_letter(topic).name for topic in contract.inputs]
        ),
        health_group=settings.topic_prefix + HEALTH_GROUP,
    )
    with observed(settings, "intake", running.app.readiness, alive=running.app.liveness):
        sys.exit(run_worker(running.app, prepared=_prepared(settings, contract, running)))


@worker.command()
def health() -> None:
    """Fold the account log into health, its changes and alerts."""
    from agents.health import HealthWorker
    from agents.worker import run_worker
    from pipeline.kafka.client import client_configuration
    from pipeline.kafka.topics import topic_ids
    from pipeline.ops.process import observed
    from pipeline.ops.topic_plan import HEALTH_GROUP
    from pipeline.ops.worker_app import worker_app
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry

    settings = load_settings("brokers")
    contract = Contract.load(settings.topic_prefix)
    client = client_configuration(settings.brokers, settings.security)

    def log_topic_id() -> str:
        return topic_ids(client, [contract.log.name]).get(contract.log.name, "")

    running = HealthWorker(
        worker_app(settings, HEALTH_GROUP),
        contract=contract,
        registry=open_registry(contract, settings.registry_url.get_secret_value()),
        log_topic_id=log_topic_id,
    )
    with observed(settings, "health", running.app.readiness, alive=running.app.liveness):
        sys.exit(run_worker(running.app, prepared=_prepared(settings, contract, running)))


def _prepared(
    settings: "Settings", contract: "Contract", running: "IntakeWorker | HealthWorker"
) -> "Prepared":
    """What *running* needs, and first that the topics are as it takes them to be."""

    @asynccontextmanager
    async def prepared() -> AsyncIterator[None]:
        await asyncio.to_thread(_check_partitions, settings, contract)
        async with running.prepared():
            yield

    return prepared


def _check_partitions(settings: "Settings", contract: "Contract") -> None:
    """See that log, outputs and changelog have the settings' count, for accounts are placed by it."""
    from pipeline.kafka.client import client_configuration
    from pipeline.kafka.records import partitions_of
    from pipeline.ops.topic_plan import TopicsDiffer, planned_topics

    client = client_configuration(settings.brokers, settings.security)
    for plan in planned_topics(contract, settings.partitions):
        if plan.partitions is None:
            continue
        count = len(partitions_of(client, plan.name))
        if count != settings.partitions:
            raise TopicsDiffer(
                f"{plan.name}: {count} partitions, not {settings.partitions}",
                hint="TELLTALE_PARTITIONS must be the count the log was made with.",
            )
