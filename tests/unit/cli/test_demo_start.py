"""What the demo does before it starts anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.demo_play import _own_name
from pipeline.cli.demo_screen import own_command


def test_a_second_demo_in_one_folder_has_names_of_its_own(tmp_path: Path) -> None:
    """
    It would else remove the settings of the first one, which other terminals read; what is free again is used
    again.
    """
    with _own_name(tmp_path) as first, _own_name(tmp_path) as second:
        assert (first, second) == ("demo", "demo-2")
    with _own_name(tmp_path) as third:
        assert third == "demo"
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_interrupted_leaves_no_lock(tmp_path: Path) -> None:
    """Ctrl-C is how most demos end."""
    with pytest.raises(KeyboardInterrupt), _own_name(tmp_path):
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["", "another", "this"])
def test_hints_show_a_command_that_works_as_it_stands(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name only where the shell finds this installation by it, and not another one."""
    own = tmp_path / "a folder" / "bin" / "python"
    own.parent.mkdir(parents=True)
    script = own.with_name("telltale")
    script.write_text("#!/bin/sh\necho this one\n")
    other = tmp_path / "telltale"
    other.write_text("#!/bin/sh\necho another one\n")
    for file in (script, other):
        file.chmod(0o755)
    folder = {"": tmp_path / "empty", "another": tmp_path, "this": own.parent}[there]
    monkeypatch.setattr(sys, "executable", str(own))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    command = own_command()

    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert said == "this one\n"
    assert (command == "telltale") == (there == "this")
