"""What the README tells people to type exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

from pipeline import cli

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"(?:\.venv/bin/|`)telltale ([a-z][^`#>\n]*)", README)))
TARGETS = sorted(set(re.findall(r"make ([a-z]+)", README)))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_readme_is_there_with_its_options(line: str) -> None:
    """Names and options are resolved as click does it; arguments are the reader's own."""
    command: click.Command = cli.main
    words = shlex.split(line)
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found

    options = {name for parameter in command.params for name in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_of_the_readme_is_there(target: str) -> None:
    """The two commands that set everything up, and the others."""
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_readme_stays_short() -> None:
    """A page that is longer is not read."""
    assert len(README.splitlines()) <= 150
