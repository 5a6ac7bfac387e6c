"""
A database that is set back to an earlier state: the positions go back with the rows, and reading goes on from
there.

Positions that a sink kept to itself, or in Kafka, would leave a hole where the lost rows were.
"""

import pytest
from structlog.testing import capture_logs

from sinks.consumer import consumer
from sinks.postgres import migrations, positions
from sinks.postgres.tables import metadata
from sinks.postgres.writer import PostgresTarget
from sinks.target import Partition, Record, TargetRestored
from tests.integration.postgres_sink_parts import (
    CHANGE,
    PARTITIONS,
    change,
    record,
    rows,
    run_sql,
    target,
    until,
    value,
)
from tests.integration.postgres_sink_running import ACCOUNTS, history, produce, read, sink_thread, stored

CHANGE_0 = Partition(CHANGE, 0)


def changes(first: int, following: int) -> list[Record]:
    """The records of a partition at these offsets; the change at offset n has version n."""
    return [record(change(version=offset), offset=offset) for offset in range(first, following)]


BACKUPS = {
    "made under this claim": "UPDATE sink_offset SET next_offset = 3 WHERE topic = 'health.change.v1'",
    "made under an earlier claim": "UPDATE sink_offset SET next_offset = 3, owner_epoch = 0, owner = 'before' "
    "WHERE topic = 'health.change.v1'",
    "made before any claim": "DELETE FROM health_change; DELETE FROM sink_offset",
}


@pytest.mark.parametrize("restore", BACKUPS.values(), ids=BACKUPS)
def test_a_sink_notices_that_the_database_went_back(
    sink: PostgresTarget, migrated: str, restore: str
) -> None:
    """
    At its next write, its next look or its next return: it stores nothing, claims again, and is told where
    rows end.

    ``stored    0 1 2 3 4 5 6 7``
    ``restored  0 1 2``
    ``written         3 4 5 6 7 | 8 9``
    """
    sink.write(changes(0, 8))
    run_sql(migrated, "DELETE FROM health_change WHERE version >= 3;" + restore)

    with pytest.raises(TargetRestored, match=r"health\.change\.v1\[0\]|is gone"):
        sink.write(changes(8, 10))
    with pytest.raises(TargetRestored):
        sink.check()
    with pytest.raises(TargetRestored):
        sink.positions()
    reading_from = sink.claim(PARTITIONS, {})[CHANGE_0]
    sink.write(changes(reading_from, 10))

    assert reading_from == (0 if "DELETE" in restore else 3)
    assert rows(migrated, "SELECT version FROM health_change ORDER BY 1") == [(n,) for n in range(10)]


def test_without_the_guard_lost_rows_stay_lost(
    sink: PostgresTarget, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above with its guard off: the next batch is stored behind a hole."""
    monkeypatch.setattr(positions, "refuse_restored", lambda *_, **__: None)
    sink.write(changes(0, 8))
    run_sql(migrated, "DELETE FROM health_change WHERE version >= 3;" + BACKUPS["made under this claim"])

    sink.write(changes(8, 10))

    assert rows(migrated, "SELECT version FROM health_change ORDER BY 1") == [(n,) for n in (0, 1, 2, 8, 9)]


def test_a_claim_after_a_restored_backup_is_given_what_the_backup_has(migrated: str) -> None:
    """What a start does is what a running sink does: it asks where the rows end."""
    with target(migrated) as first:
        first.write(changes(0, 8))
    run_sql(migrated, "DELETE FROM health_change WHERE version >= 3;" + BACKUPS["made under this claim"])

    with target(migrated) as second:
        assert second.claim(PARTITIONS, {})[CHANGE_0] == 3


def back_up(dsn: str) -> None:
    """Copy every table as it is at one moment."""
    copies = (f"CREATE TABLE backup.{table} AS TABLE {table}" for table in metadata.tables)
    run_sql(dsn, f"CREATE SCHEMA backup; {'; '.join(copies)}")


def restore(dsn: str) -> None:
    """Put every table back to what was copied, in one transaction."""
    back = (f"INSERT INTO {table.name} SELECT * FROM backup.{table.name}" for table in metadata.sorted_tables)
    run_sql(dsn, f"TRUNCATE {', '.join(metadata.tables)}; {'; '.join(back)}")


def test_a_running_sink_reads_again_what_a_restored_backup_lacks(
    broker: str, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It notices though nothing new arrives, and goes back by itself; the topics have what the backup has not.

    ``topics    |-- 1 --|-- 2 --|``
    ``rows      |-- 1 --|-- 2 --|``
    ``restored  |-- 1 --|       |-- 2 again --|``
    """
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.3)
    migrations.upgrade(postgres)
    parts = [history(range(n, n + 3)) for n in (1, 4)]

    with capture_logs() as lines, sink_thread(broker, postgres) as readiness:
        produce(broker, parts[0])
        until(lambda: read(postgres) == len(parts[0]), what="the first part to be stored")
        back_up(postgres)
        produce(broker, parts[1])
        until(lambda: read(postgres) == 2 * len(parts[0]), what="the second part to be stored")
        restore(postgres)
        assert stored(postgres) == 3 * ACCOUNTS
        until(lambda: read(postgres) == 2 * len(parts[0]), what="the second part to be stored again")
        until(lambda: readiness()[0], what="the sink to be ready again")

    events = [line["event"] for line in lines]
    assert "sink.target_restored" in events
    assert "sink.assigned" not in events[events.index("sink.target_restored") :]
    assert stored(postgres) == 6 * ACCOUNTS
    assert rows(postgres, "SELECT DISTINCT version FROM health_snapshot") == [(6,)]
    assert value(postgres, "SELECT count(*) FROM alert_event") == 2 * ACCOUNTS
