"""
An erased account leaves no row in any table, and nothing that the topics still have of it brings one back.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from pipeline import metrics
from sinks.postgres import erasure
from sinks.postgres.connection import make_engine
from sinks.postgres.erasure import TABLES_OF_ACCOUNTS, hold_erasures
from sinks.postgres.repair import Retried, sink_repair
from sinks.postgres.statements import store_batch
from sinks.postgres.writer import PostgresTarget
from sinks.target import Record, TargetAway
from tests.integration.command_line import Telltale
from tests.integration.postgres_sink_parts import (
    PARTITIONS,
    ROWS,
    Output,
    alert,
    change,
    record,
    rows,
    run_sql,
    snapshot,
    target,
    until,
    value,
)

TABLES = [table.name for table in TABLES_OF_ACCOUNTS]
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def outputs(account_id: str, *, epoch: int = 1, version: int = 1) -> list[Output]:
    """A change, a snapshot and an open alert: a row in every table."""
    numbered = {"epoch": epoch, "version": version}
    opened = alert(f"al-{account_id}", account_id=account_id, sequence=version, **numbered)
    return [snapshot(account_id, **numbered), change(account_id, **numbered), opened]


def records(account_id: str, *, epoch: int = 1, version: int = 1) -> list[Record]:
    return [record(output) for output in outputs(account_id, epoch=epoch, version=version)]


def erasing(account_id: str) -> Record:
    """The null that somebody writes into the compacted topic."""
    return replace(record(snapshot(account_id)), value=None)


def accounts_in(dsn: str) -> dict[str, set[str]]:
    """The accounts with rows, by table."""
    return {table: {name for [name] in rows(dsn, f"SELECT account_id FROM {table}")} for table in TABLES}


def everywhere(*account_ids: str) -> dict[str, set[str]]:
    """What ``accounts_in`` finds where each table has rows of these accounts."""
    return {table: set(account_ids) for table in TABLES}


def test_every_row_of_an_erased_account_goes(sink: PostgresTarget, migrated: str) -> None:
    """Also the alert that is open, with the name and the owner in it; other accounts keep theirs."""
    sink.write([*records("gone"), *records("gone", version=2), *records("stays")])
    unreadable = replace(record(snapshot("gone")), value=b"rubbish")
    sink.write([unreadable])

    with capture_logs() as lines:
        sink.write([erasing("gone")])

    assert accounts_in(migrated) == everywhere("stays")
    assert rows(migrated, "SELECT * FROM sink_rejected") == []
    assert rows(migrated, "SELECT account_id FROM erased_account") == [("gone",)]
    assert ("sink.account_erased", "gone") in [(line["event"], line.get("account_id")) for line in lines]


def test_no_table_with_rows_of_accounts_is_left_out(migrated: str) -> None:
    """As the database has them, months of changes aside: a table added later is erased from, too."""
    found = rows(
        migrated,
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables USING (table_name) "
        "WHERE column_name = 'account_id' AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'health_change\\_%'",
    )

    assert {name for [name] in found} == {*TABLES, "erased_account"}


def test_an_account_is_erased_whole_or_not_at_all(sink: PostgresTarget, migrated: str) -> None:
    """The server goes away at the last table: no row is gone, and the position stands before the null."""
    sink.write(records("gone"))
    before = sink.positions()
    run_sql(
        migrated,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'gone' USING ERRCODE = '57P01'; END $$;"
        f"CREATE TRIGGER fail BEFORE DELETE ON {TABLES[-1]} FOR EACH ROW EXECUTE FUNCTION fail()",
    )

    with pytest.raises(TargetAway):
        sink.write([erasing("gone")])

    run_sql(migrated, f"DROP TRIGGER fail ON {TABLES[-1]}; DROP FUNCTION fail")
    assert accounts_in(migrated) == everywhere("gone")
    assert sink.positions() == before
    assert rows(migrated, "SELECT * FROM erased_account") == []


@pytest.mark.parametrize(("epoch", "version"), [(1, 4), (2, 5), (2, 6), (3, 1)])
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two"])
def test_records_that_come_after_the_erasure_are_not_stored(
    sink: PostgresTarget, migrated: str, epoch: int, version: int, *, together: bool
) -> None:
    """
    Topics are read side by side, so what was written before the null may be read behind it; and workers go
    on.

    ``health.current   2.5  null        2.6``
    ``health.alert     1.4        2.5   2.6   3.1 (a rebuild)``
    """
    sink.write(records("gone", epoch=2, version=5))
    null, late = erasing("gone"), [*records("gone", epoch=epoch, version=version), *records("stays")]

    for batch in [[null, *late]] if together else [[null], late]:
        sink.write(batch)

    assert accounts_in(migrated) == everywhere("stays")


def test_what_was_not_stored_is_counted(sink: PostgresTarget, migrated: str) -> None:
    """An erased account that is still written about is seen in the metrics."""
    erased, stale = (metrics.SINK_ROWS.labels("alert", result) for result in ("erased", "stale"))
    before = erased._value.get(), stale._value.get()

    sink.write([erasing("gone"), *records("gone")])

    assert (erased._value.get(), stale._value.get()) == (before[0] + 1, before[1])
    assert rows(migrated, "SELECT * FROM alert") == []


def test_an_unreadable_record_of_an_erased_account_is_not_quarantined(
    sink: PostgresTarget, migrated: str
) -> None:
    """Its bytes hold the name, too: neither before nor after the null, nor by a retry."""
    unreadable = [replace(record(snapshot("gone")), value=b"rubbish") for _ in range(3)]

    sink.write([unreadable[0], erasing("gone"), unreadable[1]])
    sink.write([unreadable[2], replace(record(snapshot("stays")), value=b"rubbish")])

    assert rows(migrated, "SELECT key FROM sink_rejected") == [(b"stays",)]


def test_a_retry_stores_nothing_of_an_erased_account(sink: PostgresTarget, migrated: str) -> None:
    """
    The record was quarantined under a key that does not name its account, so the erasure did not find it.
    """
    unnamed = replace(record(snapshot("gone")), key=None)
    run_sql(migrated, "ALTER TABLE account ADD CONSTRAINT operators CHECK (name <> 'Gone')")
    sink.write([unnamed])
    run_sql(migrated, "ALTER TABLE account DROP CONSTRAINT operators")
    sink.write([erasing("gone")])

    with sink_repair(migrated, group="sink") as repair:
        assert repair.retry(ROWS) == Retried(stored=1, refused=0)

    assert accounts_in(migrated) == everywhere()


def test_a_row_stored_beside_an_erasure_does_not_outlive_it(sink: PostgresTarget, migrated: str) -> None:
    """Another sink has stored an alert and not committed: the erasure waits for it, and finds the row."""
    engine = make_engine(migrated, application="other")

    with ThreadPoolExecutor(1) as thread, engine.connect() as other:
        hold_erasures(other)
        store_batch(other, ROWS.batch(records("gone")))
        erasure_done = thread.submit(sink.write, [erasing("gone")])
        until(lambda: value(migrated, WAITING) or erasure_done.done(), what="the erasure to wait")
        other.commit()
        erasure_done.result()

    engine.dispose()
    assert accounts_in(migrated) == everywhere()


def test_a_sink_that_stores_beside_an_erasure_waits_for_it(migrated: str) -> None:
    """The erasure is not committed yet: the other sink's alert is stored after it, that is, not at all."""
    engine = make_engine(migrated, application="eraser")

    with ThreadPoolExecutor(1) as thread, target(migrated) as sink, engine.connect() as eraser:
        erasure.apply_erasures(eraser, ROWS.batch([erasing("gone")]))
        stored = thread.submit(sink.write, records("gone"))
        until(lambda: value(migrated, WAITING) or stored.done(), what="the other sink to wait")
        eraser.commit()
        stored.result()

    engine.dispose()
    assert accounts_in(migrated) == everywhere()


def test_a_rewind_brings_nothing_back_until_the_account_is_readmitted(
    sink: PostgresTarget, migrated: str
) -> None:
    """Then what the topics still have of it is stored again, and what comes."""
    history = [replace(each, offset=n) for n, each in enumerate(records("gone"))]
    sink.write([*history, replace(erasing("gone"), offset=10)])
    telltale = Telltale(brokers="", database_url=migrated)
    rewind = "UPDATE sink_offset SET next_offset = 0"

    for readmitted in (False, True):
        if readmitted:
            answer = telltale("sink", "readmit", "gone", "--json")
            assert answer.rows == [{"account_id": "gone", "erased": False}]
        run_sql(migrated, rewind)
        sink.claim(PARTITIONS, {})
        sink.write(history)
        assert accounts_in(migrated) == everywhere(*["gone"] * readmitted)

    again = telltale("sink", "readmit", "gone")
    assert (again.code, again.err.splitlines()[0]) == (1, "error: account gone is not erased")


def test_a_backup_of_before_the_erasure_meets_the_null_again(sink: PostgresTarget, migrated: str) -> None:
    """The restored rows are there until the sink has read up to it: the positions went back with them."""
    history = [replace(each, offset=n) for n, each in enumerate(records("gone"))]
    null = replace(erasing("gone"), offset=len(history))
    sink.write(history)
    tables = [*TABLES, "sink_offset", "erased_account"]
    run_sql(migrated, "; ".join(f"CREATE TABLE backup_{table} AS TABLE {table}" for table in tables))
    sink.write([null])

    run_sql(migrated, "; ".join(f"DELETE FROM {table}" for table in tables))
    copied = (f"INSERT INTO {table} SELECT * FROM backup_{table}" for table in reversed(tables))
    run_sql(migrated, "; ".join(copied))
    restored = accounts_in(migrated)
    reading_from = sink.claim(PARTITIONS, {})
    sink.write([null, *(replace(each, offset=null.offset + 1 + n) for n, each in enumerate(history))])

    run_sql(migrated, "; ".join(f"DROP TABLE backup_{table}" for table in tables))
    assert restored == everywhere("gone")
    assert reading_from[null.partition] <= null.offset
    assert accounts_in(migrated) == everywhere()


def test_a_month_that_stood_apart_is_erased_from_when_it_is_attached_again(
    sink: PostgresTarget, migrated: str
) -> None:
    """Somebody had detached it, and no erasure reached it there."""
    sink.write([record(change("gone")), record(change("stays"))])
    run_sql(migrated, "ALTER TABLE health_change DETACH PARTITION health_change_y2026m11")
    sink.write([erasing("gone")])

    with target(migrated) as restarted:
        restarted.write([record(change("stays", version=2))])

    assert rows(migrated, "SELECT account_id, version FROM health_change ORDER BY 2") == [
        ("stays", 1),
        ("stays", 2),
    ]
