"""
A month that somebody detached, to archive it, does not stop the sink: it is attached again, or named with the
hint.
"""

import pytest
from sqlalchemy import NullPool, create_engine
from structlog.testing import capture_logs

from sinks.postgres import connection
from sinks.postgres.writer import PostgresTarget
from sinks.target import Partition, TargetAway, TargetUnfit
from tests.integration.postgres_sink_parts import CHANGE, change, record, rows, run_sql, target

MONTH = "health_change_y2026m11"
DETACH = f"ALTER TABLE health_change DETACH PARTITION {MONTH}"
STORED = f"SELECT version FROM health_change WHERE tableoid = '{MONTH}'::regclass ORDER BY version"


def test_a_detached_month_is_attached_again(sink: PostgresTarget, migrated: str) -> None:
    """
    Its rows are back, so that a change which is read again is no second row; the log says that it happened.
    """
    sink.write([record(change(version=1))])
    run_sql(migrated, DETACH)

    with capture_logs() as lines:
        sink.write([record(change(version=version)) for version in (1, 2)])

    assert rows(migrated, STORED) == [(1,), (2,)]
    assert [(line["event"], line["month"]) for line in lines] == [("sink.partition_attached", "2026-11")]


def test_a_detached_month_that_is_locked_counts_as_away(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump reads it, say: when it is done the same batch goes in."""
    monkeypatch.setitem(connection._CONNECT, "options", "-c statement_timeout=300ms")
    with target(migrated) as sink:
        sink.write([record(change(version=1))])
        run_sql(migrated, DETACH)
        batch = [record(change(version=2))]

        with create_engine(migrated, poolclass=NullPool).connect() as dump:
            dump.exec_driver_sql(f"SELECT * FROM {MONTH}")
            with pytest.raises(TargetAway, match="statement timeout"):
                sink.write(batch)
        sink.write(batch)

    assert rows(migrated, STORED) == [(1,), (2,)]


@pytest.mark.parametrize(
    "changed",
    [
        f"ALTER TABLE {MONTH} ADD archived_at date",
        f"UPDATE {MONTH} SET as_of = '2026-12-01 00:00+00'",
    ],
    ids=["a column more", "a row of another month"],
)
def test_a_detached_month_that_does_not_fit_stops_the_sink(
    sink: PostgresTarget, migrated: str, changed: str
) -> None:
    """The table is what is wrong: no record is quarantined for it, and what the hint says helps."""
    sink.write([record(change(version=1))])
    run_sql(migrated, f"{DETACH}; {changed}")
    batch = [record(change(version=2))]

    with pytest.raises(TargetUnfit, match=MONTH) as stopped:
        sink.write(batch)
    reached = sink.positions()[Partition(CHANGE, 0)]
    run_sql(migrated, stopped.value.hint.split("`")[1])
    sink.write(batch)

    run_sql(migrated, f"DROP TABLE {MONTH}_archived")
    assert reached == batch[0].offset
    assert rows(migrated, STORED) == [(2,)]
    assert rows(migrated, "SELECT * FROM sink_rejected") == []
