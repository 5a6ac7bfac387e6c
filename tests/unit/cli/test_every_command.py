"""What holds for every command and subcommand of ``telltale``: quick help, and output for programs."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from pipeline import cli

HEAVY = (
    "agents",
    "aiokafka",
    "alembic",
    "confluent_kafka",
    "fastavro",
    "faust",
    "mode",
    "msgspec",
    "prometheus_client",
    "psycopg",
    "pydantic",
    "rich",
    "sqlalchemy",
    "structlog",
)
"""Each takes longer to import than a command needs to say what it does."""

WITHOUT_JSON = {
    "demo": "it shows a screen",
    "run": "it serves until it is stopped, and logs",
    "worker intake": "it serves until it is stopped, and logs",
    "worker health": "it serves until it is stopped, and logs",
    "sink postgres": "it serves until it is stopped, and logs",
    "simulate": "its output is NDJSON always: the events",
}
"""Commands that tell nothing on stdout, or nothing else than JSON, and why."""

PRINT_MODULES = f"""
import sys
from pipeline.cli import main
try:
    main([*sys.argv[1:], "--help"])
except SystemExit as end:
    print(end.code or "fine", *sorted({{module.partition(".")[0] for module in sys.modules}} & {{*{HEAVY}}}), file=sys.stderr)
"""


def walk(command: click.Command, *words: str) -> Iterator[tuple[str, click.Command]]:
    """*command*, which is called by *words*, and all below it."""
    yield " ".join(words), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, *words, name)


ALL = dict(walk(cli.main))
LEAVES = {words: command for words, command in ALL.items() if not isinstance(command, click.Group)}


@pytest.mark.parametrize("words", ALL, ids=lambda words: words or "telltale")
def test_help_imports_no_heavy_library(words: str) -> None:
    """In a process of its own, since what another command imported stays imported."""
    ended = subprocess.run(
        [sys.executable, "-c", PRINT_MODULES, *words.split()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert ended.stderr.split() == ["fine"]
    assert ended.stdout.startswith("Usage: ")


@pytest.mark.parametrize("words", LEAVES)
def test_a_command_that_tells_something_has_json(words: str) -> None:
    """A program reads rows, not columns; help says that it can, and what an object is."""
    has_json = [option for option in LEAVES[words].params if "--json" in option.opts]

    if words in WITHOUT_JSON:
        assert not has_json
        return
    (option,) = has_json
    assert isinstance(option, click.Option)
    assert (option.name, option.is_flag) == ("as_json", True)
    assert (option.help or "").startswith("One JSON object")


def test_the_commands_without_json_are_commands() -> None:
    """A reason for a command that is no more would hide nothing, and mislead."""
    assert set(WITHOUT_JSON) <= set(LEAVES)
