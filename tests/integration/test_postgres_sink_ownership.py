"""Who may write: the owner that claimed last, from where the one before left off, and nobody else."""

import pytest

from sinks.postgres import positions
from sinks.postgres.writer import PostgresTarget
from sinks.target import Fenced, Partition, TopicRecreated
from tests.integration.postgres_sink_parts import (
    CURRENT,
    PARTITIONS,
    change,
    record,
    rows,
    run_sql,
    snapshot,
    target,
    value,
)

CURRENT_0 = Partition(CURRENT, 0)


def test_the_position_stands_behind_the_last_record_and_is_given_to_the_next_owner(migrated: str) -> None:
    """
    Nothing is stored at first; a claim gives what the owner before has stored, gaps in the offsets included.
    """
    with target(migrated) as first, target(migrated) as second:
        assert first.claim(PARTITIONS, {}) == dict.fromkeys(PARTITIONS, 0)
        first.write([record(snapshot(), offset=3), record(snapshot(version=2), offset=17)])

        assert second.claim(PARTITIONS, {}) == dict.fromkeys(PARTITIONS, 0) | {CURRENT_0: 18}


TAKEN_OVER = {
    "claimed by another": "UPDATE sink_offset SET owner = 'other', owner_epoch = owner_epoch + 1",
    "a restored backup, claimed by another": "UPDATE sink_offset SET owner = 'other'",
}


@pytest.mark.parametrize("taken_over", TAKEN_OVER.values(), ids=TAKEN_OVER)
def test_a_zombie_stores_nothing(sink: PostgresTarget, migrated: str, taken_over: str) -> None:
    """An owner that slept through the loss of its partition is refused, and stops with the hint."""
    run_sql(migrated, taken_over)

    with pytest.raises(Fenced, match=r"health\.current") as fenced:
        sink.write([record(snapshot()), record(change())])
    with pytest.raises(Fenced):
        sink.positions()
    with pytest.raises(Fenced):
        sink.check()

    assert "Start this sink again" in fenced.value.hint
    assert rows(migrated, "SELECT * FROM account") == rows(migrated, "SELECT * FROM health_change") == []


def test_without_the_guard_a_zombie_writes_over_its_heir(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above with its guard off: rows come from a stranger, and the heir cannot go on."""
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


def test_positions_of_a_topic_recreated_are_refused(sink: PostgresTarget) -> None:
    """Offsets begin again in a topic recreated; the stored ones would skip as many of its records."""
    sink.claim(PARTITIONS, {})
    sink.claim(PARTITIONS, {CURRENT: "first"})
    sink.claim(PARTITIONS, {CURRENT: "first"})

    with pytest.raises(TopicRecreated, match="first and is second") as refused:
        sink.claim(PARTITIONS, {CURRENT: "second"})

    assert "telltale sink rewind health.current.v1" in refused.value.hint
