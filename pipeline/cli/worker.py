"""``telltale worker intake|health``: one Faust worker in this process, until SIGTERM or Ctrl-C."""

import ssl
import sys
from typing import Any

import click

from agents.app import LaneApp, make_app
from agents.health import HealthWorker
from agents.intake import IntakeWorker
from agents.worker import run_worker
from pipeline.cli.process import observed
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.settings import Security, Settings, load_settings
from pipeline.wire.contract import Contract
from pipeline.wire.registry import open_registry


@click.group()
def worker() -> None:
    """Run one worker of the pipeline."""


@worker.command()
def intake() -> None:
    """Read the input topics, write the account log and the dead letters, tell the time."""
    settings = load_settings("brokers", "pseudonym_key")
    contract = Contract.load(settings.topic_prefix)
    running = IntakeWorker(
        _app(settings, "telltale-intake"),
        contract=contract,
        registry=open_registry(contract, settings.registry_url.get_secret_value()),
        pseudonyms=Pseudonyms(settings.pseudonym_key.get_secret_value().encode()),
        tick_seconds=settings.tick_seconds,
    )
    with observed(settings, "intake", running.app.readiness):
        sys.exit(run_worker(running.app, prepare=running.prepare))


@worker.command()
def health() -> None:
    """Fold the account log into health, its changes and alerts."""
    settings = load_settings("brokers")
    contract = Contract.load(settings.topic_prefix)
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    running = HealthWorker(_app(settings, "telltale-health"), contract=contract, registry=registry)
    with observed(settings, "health", running.app.readiness):
        sys.exit(run_worker(running.app))


def _app(settings: Settings, name: str) -> LaneApp:
    return make_app(
        settings.topic_prefix + name,
        brokers=settings.brokers,
        partitions=settings.partitions,
        session_seconds=settings.session_seconds,
        security=_security(settings.security),
    )


def _security(security: Security) -> dict[str, Any] | None:
    """The identity in the words of ``make_app``; None for plaintext."""
    if security.protocol == "PLAINTEXT":
        return None
    words: dict[str, Any] = {}
    if security.protocol.endswith("SSL"):
        words["ssl_context"] = ssl.create_default_context(cafile=security.ca_file)
    if security.protocol.startswith("SASL"):
        words |= {
            "mechanism": security.mechanism,
            "username": security.username,
            "password": security.password.get_secret_value(),
        }
    return words
