"""``telltale run``: the whole pipeline in one process tree, against the configured broker and Postgres."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from pipeline.errors import TelltaleError

if TYPE_CHECKING:
    from pipeline.embedded.processes import Command
    from pipeline.settings import Settings

_RESTARTS = 10


class PortTaken(TelltaleError):  # noqa: N818 - reads as what happened
    """A process could not serve its metrics at its address."""


_LAST_PORT = 65535

_STOP_SECONDS = 20.0
"""As long as a worker takes at most; they do not wait for each other, since none needs another to stop."""


@click.command()
def run() -> None:
    """
    Run intake, health and the Postgres sink until Ctrl-C.

    Applies topics, migrations and scorecards first. A worker that dies is started again. SIGTERM and Ctrl-C
    stop all of them in order, a second one at once. In production the workers are started one by one:
    telltale worker, telltale sink.
    """
    from pipeline.embedded.processes import ProcessTree
    from pipeline.ops.preparation import prepare_pipeline
    from pipeline.settings import load_settings
    from pipeline.structured_logs import configure

    settings = load_settings("brokers", "database_url", "pseudonym_key")
    configure(level=settings.log_level, format=settings.log_format)
    commands = pipeline_commands(settings)
    with ProcessTree() as tree:
        stop_on_sigterm()
        try:
            prepare_pipeline(settings, say=lambda line: click.echo(line, err=True))
            for command in commands:
                tree.start(command)
            tree.wait()
        except KeyboardInterrupt:
            click.echo("stopping", err=True)
            tree.stop_together(_STOP_SECONDS)


def pipeline_commands(
    settings: "Settings", *, environment: Mapping[str, str] | None = None, logs: Path | None = None
) -> "tuple[Command, ...]":
    """
    The pipeline's processes, readers first, so that what is written finds its reader.

    Their metrics are on ``metrics_port`` and the two ports after it, or on free ones if that is 0;
    InvalidSettings where there are no two after it, PortTaken where one of them cannot be used. With *logs*
    each writes into a file of its own there.
    """
    from pipeline.embedded.ports import why_unusable
    from pipeline.embedded.processes import Command
    from pipeline.settings import InvalidSettings

    processes = (("sink", "sink postgres"), ("health", "worker health"), ("intake", "worker intake"))
    host, first, highest = settings.metrics_host, settings.metrics_port, _LAST_PORT - len(processes) + 1
    if first > highest:
        raise InvalidSettings(
            f"TELLTALE_METRICS_PORT is {first}, and each of the {len(processes)} processes takes one port from there on",
            hint=f"Set it to {highest} at most, or to 0 for free ones.",
        )
    for place, (name, _) in enumerate(processes):
        port = int(_port(first, place))
        reason = why_unusable(port, host)
        if reason is not None:
            # Every start of the process would end there, and be tried again.
            raise PortTaken(
                f"{name} cannot serve its metrics on {host}:{port}: {reason}",
                hint=f"Set TELLTALE_METRICS_PORT to the first of {len(processes)} free ports, or to 0; "
                "the address is TELLTALE_METRICS_HOST.",
            )
    return tuple(
        Command(
            name=name,
            arguments=(sys.executable, "-m", "pipeline.cli", *words.split()),
            environment={**(environment or {}), "TELLTALE_METRICS_PORT": _port(settings.metrics_port, place)},
            log_file=logs / f"{name}.log" if logs else None,
            restarts=_RESTARTS,
        )
        for place, (name, words) in enumerate(processes)
    )


def stop_on_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does, so that a supervisor can end the tree."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _port(first: int, place: int) -> str:
    return str(first + place if first else 0)
