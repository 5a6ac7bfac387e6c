"""
``telltale``: one file per command, one line per command here.

Commands are imported when they are called, so that ``telltale --help`` answers at once. Data goes to stdout,
all else to stderr; ``--json`` prints one JSON object a line. Exit code 0 is fine, 1 failed, 2 wrong usage.
"""

import errno
import importlib
import os
from typing import Final

import click

from pipeline.errors import TelltaleError

COMMANDS: Final = {
    "demo": "Show the whole pipeline on embedded parts.",
    "run": "Run intake, health and the Postgres sink until Ctrl-C.",
    "worker": "Run one worker of the pipeline.",
    "sink": "Run one sink, or mend what it keeps.",
    "accounts": "List accounts and their health, the worst first.",
    "explain": "Say why an account has the score it has, and what to do next.",
    "doctor": "Check that everything is as it should be.",
    "dlq": "Look at records that could not be used, and send them in again.",
    "ingest": "Send a file of events into the pipeline.",
    "settings": "List the settings, their values and their meaning.",
    "simulate": "Write the events of invented accounts, as lines of JSON.",
    "topics": "Make the Kafka topics.",
    "schemas": "List, check and register the schemas of the topics.",
    "scorecards": "Check scorecards and activate them.",
    "db": "Bring the Postgres schema up to date.",
    "rebuild": "Rebuild the health state from the account log.",
    "replay": "Score files of events.",
    "verify": "Hold state, topics and rows against the account log.",
    "bench": "Measure this machine.",
}
"""
Every command, which is a function of that name in a module of that name, and what ``--help`` says of it.
"""


_PATH_HINT: Final = "Name another path, or give this user the right to it."
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_HINT: Final = "Make room, or write to another place."


class _Failed(click.ClickException):
    """An error for people: what went wrong on one line, the hint on the next."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: object = None) -> None:  # noqa: ARG002 - always stderr
        color = False if os.environ.get("NO_COLOR") else None  # None: as the terminal can
        click.echo(f"{click.style('error:', fg='red', bold=True)} {self.message}", err=True, color=color)
        if self.hint:
            click.echo(f"{click.style('hint:', fg='cyan', bold=True)} {self.hint}", err=True, color=color)


class _LazyGroup(click.Group):
    """The commands of ``COMMANDS``, each imported when somebody calls it or asks for its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = f"pipeline.cli.{cmd_name}"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise click.UsageError(f"`telltale {cmd_name}` is not part of this installation.") from error
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TelltaleError as error:  # Any other is a fault of ours and keeps its traceback.
            raise _Failed(str(error), error.hint) from error
        except OSError as error:
            if error.filename:
                raise _Failed(f"{error.filename}: {error.strerror}", _PATH_HINT) from error
            if error.errno in _FULL:
                raise _Failed(f"cannot write: {error.strerror}", _FULL_HINT) from error
            raise


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="telltale", message="%(prog)s %(version)s")
def main() -> None:
    """
    Real-time customer-health signals: explained risk alerts from Kafka events within a second.

    Settings are environment variables, TELLTALE_BROKERS and others, or a TOML file that TELLTALE_CONFIG
    names.
    """
