"""
``telltale sink``: the Postgres sink in this process, until SIGTERM or Ctrl-C, and what to do about its
positions.
"""

import signal
import threading
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.printing import json_option, print_json, print_table
from pipeline.cli.ranges import AT_LEAST_ONE
from pipeline.errors import TelltaleError

if TYPE_CHECKING:
    from pipeline import metrics
    from pipeline.settings import Settings
    from sinks.postgres.repair import SinkRepair

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class NotErased(TelltaleError):  # noqa: N818 - reads as what happened
    """The account is not one that was erased."""


@click.group()
def sink() -> None:
    """Run one sink, or mend what it keeps."""


@sink.command()
@click.option(
    "--accept-flood",
    is_flag=True,
    help="Quarantine records that cannot be stored however many they are, instead of stopping.",
)
def postgres(*, accept_flood: bool) -> None:
    """Keep the tables in Postgres level with the three health topics, each row exactly once."""
    from pipeline.kafka.client import security_configuration
    from pipeline.ops.process import observed
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry
    from sinks.consumer.readiness import Readiness
    from sinks.postgres.sink import run_postgres_sink

    settings = load_settings("brokers", "database_url")
    contract = Contract.load(settings.topic_prefix)
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        for number in _STOP_SIGNALS:
            # Told twice, it ends at once: the open transaction is rolled back.
            signal.signal(number, signal.SIG_DFL)

    def ready() -> "metrics.State":
        return (False, "stops") if stop.is_set() else readiness()

    for number in _STOP_SIGNALS:
        signal.signal(number, ask_to_stop)
    readiness = Readiness()
    with observed(settings, "sink-postgres", ready):
        run_postgres_sink(
            brokers=settings.brokers,
            dsn=settings.database_url.get_secret_value(),
            contract=contract,
            registry=open_registry(contract, settings.registry_url.get_secret_value()),
            security=security_configuration(settings.security),
            stop=stop,
            session_seconds=settings.session_seconds,
            readiness=readiness,
            accept_flood=accept_flood,
        )


@sink.command()
@click.argument("topic")
@json_option("One JSON object.")
def rewind(topic: str, *, as_json: bool) -> None:
    """
    Have TOPIC read again from its start; repeats change nothing.

    A sink that runs begins within seconds, one that stopped when it is started again. It helps where the
    topic no longer has what the sink wants next, where the topic was recreated, and where rows were lost.
    """
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from sinks.postgres.sink import stored_topics

    settings = load_settings("database_url")
    names = [stored.name for stored in stored_topics(Contract.load(settings.topic_prefix))]
    if topic not in names:
        raise click.BadParameter(f'"{topic}" is not one of {", ".join(names)}', param_hint="TOPIC")
    with _repair(settings) as repair:
        partitions = repair.rewind(topic)
    if as_json:
        print_json([{"topic": topic, "partitions": partitions}])
    else:
        click.echo(f"{topic}: {partitions} partitions are read again from their start")


@sink.command()
@click.option("--limit", default=50, show_default=True, type=AT_LEAST_ONE, help="Most to list.")
@json_option()
def rejected(limit: int, *, as_json: bool) -> None:
    """List records that could not be stored and were quarantined, the newest first."""
    from pipeline.settings import load_settings

    with _repair(load_settings("database_url")) as repair:
        records = [asdict(record) for record in repair.rejected(limit=limit)]
    if as_json:
        print_json(records)
    elif records:
        print_table(list(records[0]), [tuple(record.values()) for record in records], right=(1, 2))
        click.echo("When their cause is mended, `telltale sink retry` stores them.")
    else:
        click.echo("none")


@sink.command()
@json_option("One JSON object: how many are stored now, and how many are still refused.")
def retry(*, as_json: bool) -> None:
    """Try again to store the records that were quarantined."""
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry
    from sinks.postgres.rows import RowMaker

    settings = load_settings("database_url")
    contract = Contract.load(settings.topic_prefix)
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    with _repair(settings) as repair:
        retried = repair.retry(RowMaker(contract, registry))
    if as_json:
        print_json([{"stored": retried.stored, "refused": retried.refused}])
    else:
        click.echo(f"{retried.stored} stored, {retried.refused} still refused")


@sink.command()
@click.argument("account_id")
@json_option("One JSON object.")
def readmit(account_id: str, *, as_json: bool) -> None:
    """
    Store records of ACCOUNT_ID again, which was erased.

    From now on; what the topics still have comes back with `telltale sink rewind`. A null that is still in
    the topic of latest health erases the account once more when that topic is read again.
    """
    from pipeline.settings import load_settings

    with _repair(load_settings("database_url")) as repair:
        if not repair.readmit(account_id):
            raise NotErased(
                f"account {account_id} is not erased", hint="Check the id: records of it are stored."
            )
    if as_json:
        print_json([{"account_id": account_id, "erased": False}])
    else:
        click.echo(f"{account_id}: records of it are stored again")


def _repair(settings: "Settings") -> "AbstractContextManager[SinkRepair]":
    from sinks.postgres.group import GROUP
    from sinks.postgres.repair import sink_repair

    return sink_repair(settings.database_url.get_secret_value(), group=settings.topic_prefix + GROUP)
