"""The progress bar is for a person at a terminal, and nobody else sees any of it."""

import io
import sys

import pytest

from pipeline.cli.progress_bar import ProgressBar


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def work(out: io.StringIO) -> None:
    """All of it, with a line of output between."""
    with ProgressBar("records") as bar:
        bar.begin(2_000)
        bar.advance(500)
        with bar.hidden():
            print("a line", file=out)
        bar.advance(1_500)


def test_a_terminal_shows_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, and data on stdout stay as they are."""
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")

    work(out)

    assert "records" in err.getvalue()
    assert "2000/2000" in err.getvalue()
    assert out.getvalue() == "a line\n"


def test_a_file_or_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says about colours."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("FORCE_COLOR", "1")

    work(out)

    assert (out.getvalue(), err.getvalue()) == ("a line\n", "")
