"""What people get wrong about files and machines is told in a sentence, not in a traceback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "words",
    [
        ["pipeline.cli", "simulate", "--accounts", "1", "--days", "2", "--stories", "a-file/stories"],
        ["pipeline.cli", "demo"],
        ["pipeline.embedded.kafka_local", "--directory", "a-file/kafka"],
    ],
    ids=lambda words: words[1],
)
def test_a_path_that_cannot_be_written_is_named(words: list[str], tmp_path: Path) -> None:
    """With what to do about it."""
    (tmp_path / "a-file").touch()
    (tmp_path / ".run").touch()

    ended = subprocess.run(
        [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "a-file" in ended.stderr or ".run" in ended.stderr
    assert "or give this user the right to it" in ended.stderr


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    """Where there is none, or an older one."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(CHECKOUT / name, tmp_path)

    ended = subprocess.run(
        ["make", "setup", "PYTHON=no-such-python"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "Telltale needs Python 3.11 or newer, and no-such-python is none" in ended.stderr
    assert "make PYTHON=" in ended.stderr
