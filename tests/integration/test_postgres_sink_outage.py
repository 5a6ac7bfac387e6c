"""Postgres killed or frozen under load: the sink waits in its group and stores the rest, each row once."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from structlog.testing import capture_logs

from pipeline import metrics
from pipeline.embedded.postgres import EmbeddedPostgres
from sinks.postgres import connection, migrations, sink
from tests.integration.postgres_sink_parts import rows, until, value
from tests.integration.postgres_sink_running import ACCOUNTS, history, produce, read, sink_thread, stored

pytestmark = pytest.mark.faults

OUTAGE_SECONDS = 4.0
"""As long as the session of the tests' sinks: who does not stay in the group meanwhile is out of it."""


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # Started by root, the server runs as nobody, who has to get in.
        yield Path(name)


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A server that has its rows again when it is started again."""
    with EmbeddedPostgres(directory) as running:
        yield running


def postmaster(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])


def kill(server: EmbeddedPostgres, directory: Path) -> Callable[[], object]:
    """End it with -9, as the kernel does where memory is short."""
    os.kill(postmaster(directory), signal.SIGKILL)
    until(lambda: not server.running, what="the server to be gone")

    def start_again() -> None:
        server.stop()
        server.start()

    return start_again


def freeze(server: EmbeddedPostgres, directory: Path) -> Callable[[], object]:
    """It keeps its connections and takes new ones, and answers to none."""
    pids = [
        *(pid for [pid] in rows(server.dsn, "SELECT pid FROM pg_stat_activity WHERE datname = 'telltale'")),
        postmaster(directory),
    ]

    def send(number: int) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # The session that asked for the list.
                continue

    send(signal.SIGSTOP)
    return lambda: send(signal.SIGCONT)


OUTAGES = {"killed": kill, "frozen": freeze}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_postgres_may_go_away_and_come_back(
    broker: str,
    server: EmbeddedPostgres,
    directory: Path,
    outage: Callable[[EmbeddedPostgres, Path], Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Longer than a session, while the topics fill: the sink says that it waits, and is level again soon after.

    ``postgres  |-- up --|   away    |-- up --|``
    ``sink      |-- 1 --|x   waits   |-- 2 --|``
    """
    monkeypatch.setattr(sink, "ANSWER_SECONDS", 1)
    monkeypatch.setitem(connection._CONNECT, "connect_timeout", 2)
    migrations.upgrade(server.dsn)
    produce(broker, history(range(1, 4)), prefix="shop.")

    with capture_logs() as lines, sink_thread(broker, server.dsn, prefix="shop.") as readiness:
        until(lambda: stored(server.dsn), what="the first rows")
        end_outage = outage(server, directory)
        away_since = time.monotonic()
        produce(broker, history(range(4, 7)), prefix="shop.")
        until(lambda: "does not answer" in readiness()[1], what="the sink to see that Postgres is away")
        until(lambda: time.monotonic() > away_since + OUTAGE_SECONDS, what="a session to pass")
        assert not readiness()[0]
        end_outage()
        until(lambda: read(server.dsn) == 2 * len(history(range(1, 4))), what="all to be stored")
        until(lambda: readiness()[0], what="the sink to be ready again")
        until(lambda: metrics.levels().get("lag") == 0, what="lag 0")

    events = [line["event"] for line in lines]
    assert "sink.target_away" in events
    assert events.count("sink.assigned") == 1
    assert stored(server.dsn) == 6 * ACCOUNTS
    assert rows(server.dsn, "SELECT DISTINCT version FROM health_snapshot") == [(6,)]
    assert value(server.dsn, "SELECT count(*) FROM sink_rejected") == 0
