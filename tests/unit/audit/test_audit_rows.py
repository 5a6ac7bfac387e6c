"""
Rows held against what should stand there: which are missing, which are only late, which are of another epoch.
"""

import pytest

from sinks.postgres.stored import StoredRows
from tests.unit.audit.audit_builders import CONTRACT, TOPICS, Written

CHANGE, CURRENT = CONTRACT.change.name, CONTRACT.current.name


@pytest.fixture
def written() -> Written:
    """Everything is written and stored."""
    return Written().fold()


def test_rows_of_all_that_is_written_are_as_they_should_be(written: Written) -> None:
    """An account, a snapshot and an alert of each account, and the history."""
    rows = written.stored()
    count = sum(map(len, rows.tables.values()))

    found = written.check(rows)

    assert found.differences == []
    assert found.compared["rows"] == count
    assert found.lag["rows"] == 0


def test_a_sink_that_has_stored_nothing_is_late(written: Written) -> None:
    """Its positions say so; no row is missing yet."""
    found = written.check(StoredRows())

    assert found.differences == []
    assert found.lag["rows"] == len(written.outputs.changes) + len(written.outputs.alerts)


@pytest.mark.parametrize("table", ["account", "health_snapshot", "health_change", "alert", "alert_event"])
def test_a_row_that_the_sink_has_behind_it_may_not_be_missing(written: Written, table: str) -> None:
    """The record's offset is below the sink's position, so a commit has stored it."""
    rows = written.stored()
    key = max(key for key in rows.tables[table])
    account_id = rows.tables[table].pop(key)["account_id"]

    [(of, _, field)] = written.differing(rows)

    assert of == account_id
    assert field in {"row", "version", "sequence"}


def test_a_row_whose_record_was_quarantined_is_named_as_such(written: Written) -> None:
    """Postgres has refused it: whoever reads the difference is told where the record is."""
    rows = written.stored()
    [*_, last] = written.outputs.changes.values()
    rows.quarantined = frozenset({(CHANGE, 0, last.offset)})
    del rows.tables["health_change"][last.account_id, 1, last.version]

    [difference] = written.check(rows).differences

    assert difference.written == "none: quarantined, see `telltale sink rejected`"


def test_a_row_is_late_where_the_sink_has_not_come_to_its_record(written: Written) -> None:
    """
    The rows are those of an earlier moment, and so is the position.

        health.change   0 1 2 3 4 5
        stored up to          |
    """
    rows = written.stored()
    [*_, last] = written.outputs.changes.values()
    rows.next_offsets = dict.fromkeys(((topic, 0) for topic in TOPICS), 0) | {(CHANGE, 0): last.offset}
    del rows.tables["health_change"][last.account_id, 1, last.version]

    found = written.check(rows)

    assert found.differences == []
    assert found.lag["rows"] == 1


def test_a_latest_row_may_be_of_an_older_version_while_the_sink_is_behind(written: Written) -> None:
    """It is compared as that version, and must be the newest once the sink has come to it."""
    rows, older = written.stored(), Written().fold(until=len(written.log) - 3).stored()
    for table in ("account", "health_snapshot"):
        rows.tables[table]["acme",] = older.tables[table]["acme",]
    assert {field for _, _, field in written.differing(rows)} == {"version"}

    rows.next_offsets = {**rows.next_offsets, (CURRENT, 0): written.outputs.snapshots["acme"].offset}
    assert written.differing(rows) == []

    rows.tables["health_snapshot"]["acme",]["coverage"] = 0.123
    assert [field for _, _, field in written.differing(rows)] == ["coverage"]


def test_rows_of_an_epoch_before_a_rebuild_are_not_compared(written: Written) -> None:
    """
    History keeps what was written under it; the latest rows must be of the new one, once they are stored.
    """
    rows = written.stored()
    for row in rows.tables["alert_event"].values():
        row |= {"epoch": 0, "reason": "as an older program put it"}
    assert written.differing(rows) == []

    rows.tables["health_snapshot"]["acme",]["epoch"] = 0
    assert [of for of, _, _ in written.differing(rows)] == ["acme"]


def test_a_row_that_follows_from_nothing_is_named(written: Written) -> None:
    """A version that never was."""
    rows = written.stored()
    [key, *_] = rows.tables["health_change"]
    row = rows.tables["health_change"][key]
    rows.tables["health_change"][key[0], 1, 99] = row | {"version": 99}

    assert written.differing(rows) == [(key[0], 99, "row")]


def test_an_erased_account_may_have_no_rows_left(written: Written) -> None:
    """Its records stand in the topics; a row of it that is there all the same is named."""
    rows = written.stored()
    rows.erased = {"acme"}
    assert {of for of, _, _ in written.differing(rows)} == {"acme"}

    for table in rows.tables.values():
        for key in [key for key, row in table.items() if row["account_id"] == "acme"]:
            del table[key]

    assert written.differing(rows) == []
