"""
``telltale ingest``: a file of events, sent to the input topics as of now, or written into the log as history.

Live, Kafka's timestamps are those of the sending, and events keep the times they tell. History goes straight
into the account log, in the order in which it became known, with ticks at full hours; the file is its own
source there, so a load that broke off is started again and what is there already is dropped.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.printing import json_option, print_json
from pipeline.errors import TelltaleError
from pipeline.intake.received import Received
from pipeline.ops.text_rows import moment

_SHOWN: Final = 20


class LinesLeftOut(TelltaleError):  # noqa: N818 - reads as what happened
    """Some lines could not be sent; the others were."""


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--history", "as_history", is_flag=True, help="Write into the account log, before any live event."
)
@json_option("One JSON object: how many events went in, how many did not by code, and the seconds.")
def ingest(files: tuple[Path, ...], *, as_history: bool, as_json: bool) -> None:
    """
    Send a file of events into the pipeline.

    FILES hold one event a line, as JSON: type, occurred_at and the fields of its schema. Without --history
    they go to the input topics as if they came in now. With it they are the past: sorted, with the passing of
    time between them, written before the intake is started for the first time.
    """
    if as_history:
        _ingest_history(files, as_json=as_json)
    else:
        _ingest_live(files, as_json=as_json)


def _ingest_history(files: tuple[Path, ...], *, as_json: bool) -> None:
    from pipeline.intake.pseudonyms import Pseudonyms
    from pipeline.kafka.client import client_configuration, wait_for_broker
    from pipeline.ops.account_log import AccountLog
    from pipeline.ops.backpressure import pace_for
    from pipeline.ops.history_load import day_text, load_history
    from pipeline.ops.log_readers import refuse_older_readers
    from pipeline.scorecards import load_scorecards
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.history import open_history
    from pipeline.wire.registry import open_registry

    settings = load_settings("brokers", "pseudonym_key")
    cards = load_scorecards(settings.scorecards)
    contract = Contract.load(settings.topic_prefix)
    key = settings.pseudonym_key.get_secret_value().encode()
    _say(f"checking {', '.join(map(str, files))}")
    history = open_history(files, contract=contract, pseudonyms=Pseudonyms(key))
    for code, count in history.left_out.items():
        _say(f"{count} events are left out: {code}")
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=_say)
    refuse_older_readers(settings, contract)
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    pace = pace_for(client, contract, [contract.log.name], _say)
    with (
        AccountLog(client, contract, registry, partitions=settings.partitions, pace=pace) as log,
        _progress(history.events) as progress,
    ):
        began = time.monotonic()
        events = load_history(history, log, cards, progress=progress)
    if as_json:
        span = {"first": moment(history.first), "last": moment(history.last)}
        print_json([_row(events, history.left_out, began) | span])
    else:
        days = f"from {day_text(history.first)} to {day_text(history.last)}"
        _say(f"{events:,} events {days}{_rate(events, began)}")


def _ingest_live(files: tuple[Path, ...], *, as_json: bool) -> None:
    from pipeline.kafka.client import client_configuration, wait_for_broker
    from pipeline.ops.backpressure import pace_for
    from pipeline.ops.input_writer import LiveInput
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.ndjson import EventLines
    from pipeline.wire.registry import open_registry

    settings = load_settings("brokers")
    contract = Contract.load(settings.topic_prefix)
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=_say)
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    inputs = [topic.name for topic in contract.inputs]
    left_out, lines, began = Counter[str](), EventLines(contract), time.monotonic()
    size = sum(path.stat().st_size for path in files)
    with (
        LiveInput(client, contract, registry, pace_for(client, contract, inputs, _say)) as live,
        _progress(size) as progress,
    ):
        for path in files:
            with path.open("rb") as opened:
                for number, line in enumerate(opened, 1):
                    progress(len(line))
                    event = lines.read(line)
                    if isinstance(event, Received):
                        live.send(event)
                        continue
                    left_out[event.code] += 1
                    if left_out.total() <= _SHOWN:
                        _say(f"{path}:{number}: {event.code}: {event.detail}")
    if as_json:
        print_json([_row(live.sent, left_out, began)])
    else:
        _say(f"{live.sent:,} events{_rate(live.sent, began)}")
    if left_out:
        raise LinesLeftOut(
            f"lines not sent: {left_out.total()}", hint="Correct them, and send them in a file of their own."
        )


@contextmanager
def _progress(length: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal; takes steps of *length*."""
    with click.progressbar(
        length=length, file=sys.stderr, hidden=not sys.stderr.isatty(), update_min_steps=max(1, length // 500)
    ) as bar:
        yield bar.update


def _say(line: str) -> None:
    click.echo(line, err=True)


def _row(events: int, left_out: Mapping[Any, int], began: float) -> dict[str, Any]:
    """What was done, for programs; *left_out* counts by code."""
    return {"events": events, "left_out": left_out, "seconds": round(time.monotonic() - began, 3)}


def _rate(events: int, began: float) -> str:
    seconds = time.monotonic() - began
    return f" in {seconds:.1f} s, {events / seconds:,.0f} a second"
