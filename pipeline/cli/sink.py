"""``telltale sink postgres``: one sink in this process, until SIGTERM or Ctrl-C."""

import signal
import threading
from types import FrameType

import click

from pipeline.cli.process import observed
from pipeline.kafka.client import security_configuration
from pipeline.settings import load_settings
from pipeline.wire.contract import Contract
from pipeline.wire.registry import open_registry
from sinks.consumer import Readiness
from sinks.postgres.sink import run_postgres_sink


@click.group()
def sink() -> None:
    """Run one sink."""


@sink.command()
def postgres() -> None:
    """Keep the tables in Postgres level with the three health topics, each row exactly once."""
    settings = load_settings("brokers", "database_url")
    contract = Contract.load(settings.topic_prefix)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    readiness = Readiness()
    with observed(settings, "sink-postgres", readiness):
        run_postgres_sink(
            brokers=settings.brokers,
            dsn=settings.database_url.get_secret_value(),
            contract=contract,
            registry=open_registry(contract, settings.registry_url.get_secret_value()),
            security=security_configuration(settings.security),
            stop=stop,
            session_seconds=settings.session_seconds,
            readiness=readiness,
        )
