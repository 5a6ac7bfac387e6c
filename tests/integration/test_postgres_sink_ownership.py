"""Who may write, what is tried again, and what is known after a connection broke in the middle."""

import threading
from collections.abc import Iterator

import pytest
from postgres_sink_parts import (
    CURRENT,
    PARTITIONS,
    change,
    empty_tables,
    migrated_database,
    record,
    rows,
    run_sql,
    snapshot,
    target,
    until,
    value,
)
from postgres_sink_running import CuttingProxy
from structlog.testing import capture_logs

from pipeline.embedded.postgres import EmbeddedPostgres
from sinks.postgres import positions
from sinks.postgres.connection import make_engine
from sinks.postgres.writer import PostgresTarget
from sinks.target import Fenced, Partition, TargetAway, TopicRecreated

CURRENT_0 = Partition(CURRENT, 0)
NEXT_OFFSET = "SELECT next_offset FROM sink_offset WHERE topic = 'health.current.v1'"


@pytest.fixture(scope="module")
def database(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    with migrated_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
def migrated(database: str) -> str:
    empty_tables(database)
    return database


@pytest.fixture
def sink(migrated: str) -> Iterator[PostgresTarget]:
    with target(migrated) as owner:
        yield owner


def test_the_position_stands_behind_the_last_record_and_is_given_to_the_next_owner(migrated: str) -> None:
    """Nothing is stored at first; a claim gives what the owner before has stored, gaps in the offsets included."""
    with target(migrated) as first, target(migrated) as second:
        assert first.claim(PARTITIONS, {}) == dict.fromkeys(PARTITIONS, 0)
        first.write([record(snapshot(), offset=3), record(snapshot(version=2), offset=17)])

        assert second.claim(PARTITIONS, {}) == dict.fromkeys(PARTITIONS, 0) | {CURRENT_0: 18}


TAKEN_OVER = {
    "claimed by another": "UPDATE sink_offset SET owner = 'other', owner_epoch = owner_epoch + 1",
    "a restored backup, claimed by another": "UPDATE sink_offset SET owner = 'other'",
    "forgotten": "DELETE FROM sink_offset",
}


@pytest.mark.parametrize("taken_over", TAKEN_OVER.values(), ids=TAKEN_OVER)
def test_a_zombie_stores_nothing(sink: PostgresTarget, migrated: str, taken_over: str) -> None:
    """An owner that slept through the loss of its partition is refused, and stops with the way out."""
    run_sql(migrated, taken_over)

    with pytest.raises(Fenced, match=r"health\.current") as fenced:
        sink.write([record(snapshot()), record(change())])
    with pytest.raises(Fenced):
        sink.positions()

    assert "Start this sink again" in fenced.value.hint
    assert rows(migrated, "SELECT * FROM account") == rows(migrated, "SELECT * FROM health_change") == []


def test_without_the_guard_a_zombie_writes_over_its_heir(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above, with the guard off: rows come from a stranger, and the heir cannot go on."""
    monkeypatch.setattr(positions, "refuse_zombie", lambda *_, **__: None)
    with target(migrated) as zombie, target(migrated) as heir:
        zombie.write([record(snapshot(owner="zombie"), offset=5)])

        assert value(migrated, "SELECT owner FROM account") == "zombie"
        with pytest.raises(Fenced, match="stored up to offset 6"):
            heir.write([record(snapshot(owner="heir"), offset=5)])


def test_a_batch_that_is_stored_already_is_refused(sink: PostgresTarget) -> None:
    """An owner that would count a batch twice has lost its place; it stops."""
    batch = [record(snapshot())]
    sink.write(batch)

    with pytest.raises(Fenced, match="stored up to offset"):
        sink.write(batch)


def test_positions_of_a_topic_made_anew_are_refused(sink: PostgresTarget) -> None:
    """Offsets begin again in a topic made anew; the stored ones would skip as many of its records."""
    sink.claim(PARTITIONS, {})
    sink.claim(PARTITIONS, {CURRENT: "first"})
    sink.claim(PARTITIONS, {CURRENT: "first"})

    with pytest.raises(TopicRecreated, match="first and is second") as refused:
        sink.claim(PARTITIONS, {CURRENT: "second"})

    assert "sink_offset" in refused.value.hint


@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization", "deadlock"])
def test_a_transaction_that_met_another_is_tried_again(
    sink: PostgresTarget, migrated: str, state: str
) -> None:
    """Both mean: nothing of it happened, and the same may succeed now. Here it does the third time."""
    run_sql(
        migrated,
        "CREATE SEQUENCE IF NOT EXISTS tries; ALTER SEQUENCE tries RESTART;"
        "CREATE OR REPLACE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('tries') < 3 THEN "
        f"RAISE EXCEPTION 'met another' USING ERRCODE = '{state}'; END IF; RETURN NEW; END $$;"
        "CREATE OR REPLACE TRIGGER meet BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION meet()",
    )

    with capture_logs() as lines:
        sink.write([record(snapshot())])

    run_sql(migrated, "DROP TRIGGER meet ON account")
    assert value(migrated, "SELECT count(*) FROM account") == 1
    assert [line["event"] for line in lines] == ["sink.conflict_retried"] * 2


def test_two_that_wait_for_each_other_both_get_through(migrated: str) -> None:
    """A real deadlock: another transaction holds what the sink wants second, and wants what the sink holds."""
    engine = make_engine(migrated, application="rival")
    with target(migrated) as sink, engine.begin() as rival, capture_logs() as lines:
        sink.write([record(snapshot("a")), record(snapshot("b"))])
        rival.exec_driver_sql("UPDATE account SET seats = 1 WHERE account_id = 'b'")
        batch = [record(snapshot("a", version=2)), record(snapshot("b", version=2))]
        writing = threading.Thread(target=sink.write, args=[batch])

        writing.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        until(lambda: value(migrated, waiting), what="the sink to wait for the rival")
        rival.exec_driver_sql("UPDATE account SET seats = 1 WHERE account_id = 'a'")
        rival.commit()
        writing.join()

    engine.dispose()
    assert "sink.conflict_retried" in [line["event"] for line in lines]
    assert rows(migrated, "SELECT account_id, version FROM account ORDER BY 1") == [("a", 2), ("b", 2)]


@pytest.mark.parametrize("committed", [True, False], ids=["after it happened", "before it began"])
def test_a_commit_nobody_heard_of_is_decided_by_the_position(migrated: str, *, committed: bool) -> None:
    """
    The link breaks in the commit; the position says whether it happened, and reading on there is right.

    ``transaction   |-- rows --|-- position --|-- COMMIT --x``
    """
    batch = [record(snapshot(), offset=4)]
    with CuttingProxy(migrated, after_commit=committed) as proxy, target(proxy.dsn) as sink:
        proxy.armed = True

        with pytest.raises(TargetAway):
            sink.write(batch)
        proxy.armed = False

        following = sink.positions()[CURRENT_0]
        assert following == (5 if committed else 0)
        if not committed:
            sink.write(batch)
    assert rows(migrated, "SELECT account_id FROM account") == [("alder",)]
    assert value(migrated, NEXT_OFFSET) == 5
