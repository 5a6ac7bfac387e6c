"""
Postgres stopped, locked, cut off and restored under a pipeline that goes on: its rows end equal to the
topics.
"""

import os
import random
import signal
import time
from pathlib import Path

import psycopg
import pytest

from pipeline.embedded.postgres import EmbeddedPostgres
from tests.faults.generator import Load, Traffic
from tests.faults.report import FaultLine
from tests.faults.stage import Stage
from tests.integration.postgres_sink_running import CuttingProxy

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

ACCOUNTS = 24
CUTS = 12


def execute(dsn: str, *statements: str) -> None:
    """Run *statements* as another session, each committed."""
    with psycopg.connect(dsn.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_p1_postgres_dies_and_stays_away(
    broker: str, kept_postgres: EmbeddedPostgres, tmp_path: Path, line: FaultLine, seed: int
) -> None:
    """
    Killed twice under load, away 3 and 25 s: the sink waits, keeps running, and has every row within two
    minutes.

        |-- load ------------------------------------|
             x  away 3 s  |        x  away 25 s  |        x: SIGQUIT, an immediate shutdown
    """
    traffic = Traffic(seed, accounts=ACCOUNTS)
    with Stage(line, tmp_path / "log", brokers=broker, database=kept_postgres.dsn) as stage:
        stage.feeder.send_all(traffic.facts())
        stage.start()
        stage.ready("health")
        with Load(stage.feeder, traffic.events(2_000), per_second=50) as load:
            for away in (3, 25):
                time.sleep(3)
                kill_postgres(kept_postgres)
                line.fault(f"Postgres killed and away {away} s")
                time.sleep(away)
                kept_postgres.start()
                back = time.monotonic()
            load.finish()
        stage.lag_0(since=back)
        stage.judge()


def kill_postgres(server: EmbeddedPostgres) -> None:
    """Have the server shut down at once, as after a crash: it recovers from its log when it starts."""
    with psycopg.connect(server.url) as connection:
        [directory] = connection.execute("SHOW data_directory").fetchone() or [None]
    postmaster = int(Path(str(directory), "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGQUIT)
    server.stop()


DEADLOCKS = """
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.15 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
    IF random() < 0.15 THEN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lose AFTER UPDATE ON sink_offset FOR EACH STATEMENT EXECUTE FUNCTION lose();
"""


def test_p2_conflicts_and_a_lock_that_is_held(stage: Stage, postgres: str, seed: int) -> None:
    """
    Three in ten transactions fail for others' sake, and a rival holds the tables for 20 s: all rows come.
    """
    traffic = Traffic(seed, accounts=ACCOUNTS)
    execute(postgres, DEADLOCKS)
    stage.line.fault("3 in 10 transactions fail with 40001 or 40P01")
    stage.feeder.send_all(traffic.facts())
    stage.start()
    stage.ready("health")
    with (
        Load(stage.feeder, traffic.events(1_500), per_second=50) as load,
        psycopg.connect(postgres.replace("+psycopg", "")) as rival,
    ):
        time.sleep(4)
        rival.execute("LOCK TABLE account, sink_offset IN SHARE ROW EXCLUSIVE MODE")
        stage.line.fault("tables locked for 20 s")
        time.sleep(20)
        rival.rollback()
        load.finish()
    stage.lag_0()
    stage.judge()


def test_p3_the_link_breaks_in_commits(stage: Stage, postgres: str, seed: int) -> None:
    """
    Cut before the server hears of a commit, or after it is done: the stored position tells which, no row is
    lost.
    """
    traffic, rng = Traffic(seed, accounts=ACCOUNTS), random.Random(seed)
    with CuttingProxy(postgres) as link:
        stage.feeder.send_all(traffic.facts())
        stage.pipeline.environment["TELLTALE_DATABASE_URL"] = link.dsn
        stage.start()
        stage.ready("health")
        with Load(stage.feeder, traffic.events(10_000), per_second=30) as load:
            while link.cuts < CUTS:
                cuts, after_commit = link.cuts, rng.random() < 0.5
                link.arm(after_commit=after_commit)
                while link.cuts == cuts:
                    assert load.running, "the load ended before the link was cut often enough"
                    time.sleep(0.05)
                stage.line.fault("link cut behind COMMIT" if after_commit else "link cut before COMMIT")
        stage.lag_0()
        stage.judge()


def test_p4_a_frozen_sink_wakes_up_beside_its_heir(stage: Stage, seed: int) -> None:
    """
    Stopped in its tracks for 20 s and woken: the first sink stores nothing over what the second has stored.

        first   |-- stores --|SIGSTOP . . . . . . . . .|SIGCONT: fenced, or a member again
        second          |- joins -|-- stores everything --------------------------
    """
    traffic = Traffic(seed, accounts=ACCOUNTS)
    stage.feeder.send_all(traffic.facts())
    stage.start()
    stage.ready("health")
    with Load(stage.feeder, traffic.events(2_000), per_second=50) as load:
        stage.start("sink-2")
        time.sleep(6)
        frozen = stage.running.pop("sink")
        frozen.send_signal(signal.SIGSTOP)
        stage.line.fault("SIGSTOP sink for 20 s")
        time.sleep(20)
        frozen.send_signal(signal.SIGCONT)
        load.finish()
    stage.lag_0()
    frozen.send_signal(signal.SIGTERM)
    frozen.wait(30)
    stage.judge()


def test_p5_a_backup_is_restored(stage: Stage, postgres: str, seed: int) -> None:
    """
    The database goes back to where it was some hundred events ago: the sink reads them again by itself.

        |-- 500 --| backup |-- 500 --| restored |-- 500 --| lag 0
    """
    traffic = Traffic(seed, accounts=ACCOUNTS)
    name = postgres.rpartition("/")[2]
    server = postgres.removesuffix(name) + "telltale"
    stage.feeder.send_all(traffic.facts())
    stage.feeder.send_all(traffic.events(500))
    stage.start()
    stage.lag_0()
    stage.stop("sink")
    execute(server, f"CREATE DATABASE {name}_backup TEMPLATE {name}")
    stage.start("sink")
    stage.feeder.send_all(traffic.events(500))
    stage.lag_0()
    execute(server, f"DROP DATABASE {name} WITH (FORCE)", f"ALTER DATABASE {name}_backup RENAME TO {name}")
    stage.line.fault("backup restored under the running sink")
    stage.feeder.send_all(traffic.events(500))
    stage.lag_0()
    stage.judge()


FULL_DISK = """
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER fill BEFORE INSERT ON health_change FOR EACH ROW EXECUTE FUNCTION fill();
"""


def test_p5_the_disk_is_full(stage: Stage, postgres: str, seed: int) -> None:
    """
    Postgres answers and can store nothing for 15 s: the sink waits, sets no record aside, and has every row
    after.
    """
    traffic = Traffic(seed, accounts=ACCOUNTS)
    stage.feeder.send_all(traffic.facts())
    stage.start()
    stage.ready("health")
    with Load(stage.feeder, traffic.events(1_200), per_second=50) as load:
        time.sleep(3)
        execute(postgres, FULL_DISK)
        stage.line.fault("disk full for 15 s")
        time.sleep(15)
        execute(postgres, "DROP TRIGGER fill ON health_change")
        mended = time.monotonic()
        load.finish()
    stage.lag_0(since=mended)
    stage.judge()
