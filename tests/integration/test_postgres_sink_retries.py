"""What is tried again, and when the server counts as away: nothing of it reaches the rejected records."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from sinks.postgres import connection, transactions
from sinks.postgres.connection import make_engine
from sinks.postgres.writer import PostgresTarget
from sinks.target import Record, TargetAway, TargetUnfit
from tests.integration.postgres_sink_parts import (
    record,
    rows,
    run_sql,
    snapshot,
    target,
    until,
    value,
)

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@contextmanager
def rival_session(dsn: str) -> Iterator[Connection]:
    """Another session in a transaction that has changed account b."""
    engine = make_engine(dsn, application="rival")
    with engine.connect() as rival:
        rival.exec_driver_sql("UPDATE account SET seats = 1 WHERE account_id = 'b'")
        yield rival
    engine.dispose()


@contextmanager
def writing(sink: PostgresTarget, batch: list[Record]) -> Iterator[Future[None]]:
    """A write under way in a thread."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(sink.write, batch)


def two(version: int) -> list[Record]:
    return [record(snapshot(name, version=version)) for name in ("a", "b")]


def versions(dsn: str) -> list[tuple[str, int]]:
    return rows(dsn, "SELECT account_id, version FROM account ORDER BY 1")


def quarantined(dsn: str) -> int:
    return int(value(dsn, "SELECT count(*) FROM sink_rejected"))


@contextmanager
def failing(dsn: str, state: str, *, times: int) -> Iterator[None]:
    """The first *times* rows of account fail with *state*."""
    run_sql(
        dsn,
        "CREATE SEQUENCE IF NOT EXISTS tries; ALTER SEQUENCE tries RESTART;"
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END IF; "
        "RETURN NEW; END $$;"
        "CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    yield
    run_sql(dsn, "DROP TRIGGER fail ON account")


@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization", "deadlock"])
def test_a_transaction_that_met_another_is_tried_again(
    sink: PostgresTarget, migrated: str, state: str
) -> None:
    """Both mean: nothing of it happened, and the same may succeed now. Here it does the third time."""
    with failing(migrated, state, times=2), capture_logs() as lines:
        sink.write([record(snapshot())])

    assert value(migrated, "SELECT count(*) FROM account") == 1
    assert [line["event"] for line in lines] == ["sink.conflict_retried"] * 2


AWAY = {
    "connection failure": "08006",
    "disk full": "53100",
    "too many connections": "53300",
    "shutdown": "57P01",
    "statement timeout": "57014",
    "lock not available": "55P03",
    "I/O error": "58030",
    "read only": "25006",
    "conflict again and again": "40001",
}


@pytest.mark.parametrize("state", AWAY.values(), ids=AWAY)
def test_a_server_in_trouble_counts_as_away_and_nothing_is_quarantined(
    sink: PostgresTarget, migrated: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer waits and asks where to read on; the same batch is stored when the trouble is over."""
    monkeypatch.setattr(transactions, "CONFLICT_PAUSES", (0.0, 0.0))
    batch = two(1)

    with failing(migrated, state, times=2):
        for _ in range(1 if state == "40001" else 2):
            with pytest.raises(TargetAway):
                sink.write(batch)
            assert set(sink.positions().values()) == {0}
        sink.write(batch)

    assert versions(migrated) == [("a", 1), ("b", 1)]
    assert quarantined(migrated) == 0


def test_two_that_wait_for_each_other_both_get_through(sink: PostgresTarget, migrated: str) -> None:
    """
    A real deadlock: another transaction holds what the sink wants second, and wants what the sink holds.
    """
    sink.write(two(1))

    with rival_session(migrated) as rival, capture_logs() as lines, writing(sink, two(2)) as written:
        until(lambda: value(migrated, WAITING), what="the sink to wait for the rival")
        rival.exec_driver_sql("UPDATE account SET seats = 1 WHERE account_id = 'a'")
        rival.commit()
        written.result()

    assert "sink.conflict_retried" in [line["event"] for line in lines]
    assert versions(migrated) == [("a", 2), ("b", 2)]


@contextmanager
def strict_isolation(dsn: str) -> Iterator[None]:
    """Every transaction sees the database as it was when it began, and may not change what changed since."""
    change = f"ALTER DATABASE {dsn.rpartition('/')[2]}"
    run_sql(dsn, f"{change} SET default_transaction_isolation = 'repeatable read'")
    yield
    run_sql(dsn, f"{change} RESET default_transaction_isolation")


def collide(sink: PostgresTarget, dsn: str) -> Future[None]:
    """Write what a rival changes while the write waits for it: a serialization failure."""
    sink.write(two(1))
    with rival_session(dsn) as rival, writing(sink, two(2)) as written:
        until(lambda: value(dsn, WAITING), what="the sink to wait for the rival")
        rival.commit()
    return written


def test_a_serialization_failure_repeats_the_whole_transaction(migrated: str) -> None:
    """Its beginning too: the position was read in the view that has become invalid."""
    with strict_isolation(migrated), target(migrated) as sink, capture_logs() as lines:
        collide(sink, migrated).result()

    assert [line["event"] for line in lines].count("sink.conflict_retried") == 1
    assert versions(migrated) == [("a", 2), ("b", 2)]


def test_without_the_retry_a_serialization_failure_stops_the_sink(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above with its guard off."""
    monkeypatch.setattr(transactions, "is_conflict", lambda _: False)

    with (
        strict_isolation(migrated),
        target(migrated) as sink,
        pytest.raises(TargetUnfit, match="40001"),
    ):
        collide(sink, migrated).result()


def test_a_lock_that_is_held_too_long_counts_as_away(migrated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement is given up; when the lock is free the same batch goes in."""
    monkeypatch.setitem(connection._CONNECT, "options", "-c statement_timeout=300ms")
    with target(migrated) as sink:
        sink.write(two(1))
        batch = two(2)

        with rival_session(migrated), pytest.raises(TargetAway, match="statement timeout"):
            sink.write(batch)
        sink.positions()
        sink.write(batch)

    assert versions(migrated) == [("a", 2), ("b", 2)]
    assert quarantined(migrated) == 0


def test_a_session_that_is_ended_by_an_administrator_is_opened_again(
    sink: PostgresTarget, migrated: str
) -> None:
    """In the middle of a transaction: it is as if it had not begun."""
    sink.write(two(1))
    batch = two(2)

    with rival_session(migrated), writing(sink, batch) as written:
        until(lambda: value(migrated, WAITING), what="the sink to wait for the rival")
        run_sql(
            migrated,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sink'",
        )
        with pytest.raises(TargetAway):
            written.result()
    sink.positions()
    sink.write(batch)

    assert versions(migrated) == [("a", 2), ("b", 2)]


@contextmanager
def frozen_in_a_transaction(sink: PostgresTarget, dsn: str) -> Iterator[tuple[list[Record], Future[None]]]:
    """A batch, and the write of it, whose server process is stopped in the middle; goes on at the end."""
    sink.write(two(1))
    batch = two(2)
    with rival_session(dsn) as rival, writing(sink, batch) as written:
        until(lambda: value(dsn, WAITING), what="the sink to wait for the rival")
        pid = value(dsn, "SELECT pid FROM pg_stat_activity WHERE application_name = 'sink'")
        os.kill(pid, signal.SIGSTOP)
        try:
            rival.rollback()
            yield batch, written
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_server_that_freezes_in_a_transaction_counts_as_away(migrated: str) -> None:
    """
    It keeps the connection and says nothing, so only our own clock ends the wait; what it did then, the
    position says.

    ``sink    |-- rows --|-- waits --x 0.5 s |-- position? --|-- rows --|``
    ``server  |---------- frozen ------------------|- awake, gives up -|``
    """
    with target(migrated, transaction_seconds=0.5) as sink:
        with frozen_in_a_transaction(sink, migrated) as (batch, written), pytest.raises(TargetAway):
            written.result(timeout=20)
        sink.positions()
        sink.write(batch)

    assert versions(migrated) == [("a", 2), ("b", 2)]


def test_without_our_own_clock_a_frozen_server_holds_the_sink(migrated: str) -> None:
    """The test above with its guard off: the write hangs until the server goes on."""
    with target(migrated) as sink:
        with frozen_in_a_transaction(sink, migrated) as (_, written), pytest.raises(TimeoutError):
            written.result(timeout=2)
        written.result()


def test_the_time_of_one_transaction_is_not_counted_to_the_next(migrated: str) -> None:
    """Else a sink that runs for longer than a transaction may would cut itself off."""
    with target(migrated, transaction_seconds=0.5) as sink:
        sink.write(two(1))
        with rival_session(migrated) as rival, writing(sink, batch := two(2)) as written:
            with pytest.raises(TargetAway, match="no answer"):
                written.result()
            rival.rollback()
        sink.positions()
        sink.write(batch)
        sink.write(two(3))

    assert versions(migrated) == [("a", 3), ("b", 3)]
