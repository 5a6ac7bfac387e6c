"""``telltale`` itself: its help, clear errors, exit codes."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.errors import TelltaleError


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        capture_output=True, text=True, env={"PATH": "", **environment}, timeout=60, check=False,
    )  # fmt: skip


def test_help_lists_every_command_with_its_summary_on_one_line() -> None:
    """A summary that wraps or is cut off helps nobody."""
    told = run("--help").stdout

    for name, summary in cli.COMMANDS.items():
        assert f"  {name.ljust(max(map(len, cli.COMMANDS)))}  {summary}\n" in told


def test_an_unknown_command_is_wrong_usage() -> None:
    """Exit code 2, told apart from a command that failed."""
    done = run("explian")

    assert done.returncode == 2
    assert "No such command 'explian'" in done.stderr
    assert done.stdout == ""


def test_missing_settings_are_an_error_with_a_hint() -> None:
    """What is wrong and what to do, on stderr, without a traceback; exit code 1."""
    done = run("topics", "apply")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: settings are missing or wrong:\n"
        "  TELLTALE_BROKERS: not set. Kafka brokers to begin with, host:port separated by commas.\n"
        "hint: Set it in the environment, or in the TOML file that TELLTALE_CONFIG names (lower case, without TELLTALE_).\n"
    )


@pytest.fixture
def failing_command(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """A command that raises whatever the test puts into the list."""
    raised: list[Exception] = []

    @click.command()
    def doctor() -> None:
        raise raised[0]

    monkeypatch.setattr(type(cli.main), "get_command", lambda *_: doctor)
    return raised


def test_an_error_for_people_is_two_lines(failing_command: list[Exception]) -> None:
    """What is wrong, and what to do; no traceback."""
    failing_command.append(TelltaleError("the log is gone", hint="Restore it."))

    result = CliRunner().invoke(cli.main, ["doctor"])

    assert (result.exit_code, result.stderr) == (1, "error: the log is gone\nhint: Restore it.\n")


def test_an_error_without_a_hint_prints_none(failing_command: list[Exception]) -> None:
    """A hint that says nothing is noise."""
    failing_command.append(TelltaleError("the log is gone"))

    assert CliRunner().invoke(cli.main, ["doctor"]).stderr == "error: the log is gone\n"


def test_a_fault_of_ours_keeps_its_traceback(failing_command: list[Exception]) -> None:
    """Nobody could report a bug that is printed as one sentence."""
    failing_command.append(ZeroDivisionError("division by zero"))

    assert isinstance(CliRunner().invoke(cli.main, ["doctor"]).exception, ZeroDivisionError)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_is_left_out_where_nobody_wants_it(failing_command: list[Exception], no_color: str) -> None:
    """NO_COLOR wins; what is no terminal gets none anyway."""
    failing_command.append(TelltaleError("x"))

    result = CliRunner(env={"NO_COLOR": no_color}).invoke(cli.main, ["doctor"], color=True)

    assert ("\x1b[" in result.stderr) is (no_color == "")
