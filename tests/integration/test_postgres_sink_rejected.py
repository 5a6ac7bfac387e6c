"""
A record that cannot be stored is quarantined as received; the records around it are stored, each exactly
once.
"""

import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipeline import metrics
from pipeline.health.outputs import Evidence
from pipeline.wire.outputs import SCORED_AT
from sinks.postgres import rejected, writer
from sinks.postgres.rejected import AMONG_OFFSETS
from sinks.postgres.repair import Retried, sink_repair
from sinks.postgres.writer import PostgresTarget
from sinks.target import Partition, Record, RejectedFlood, TargetAway, TargetUnfit
from tests.integration.postgres_sink_parts import (
    ALERT,
    CHANGE,
    CURRENT,
    PARTITIONS,
    ROWS,
    alert,
    change,
    empty_tables,
    record,
    rows,
    run_sql,
    snapshot,
    target,
    value,
)

LONG = "".join(random.Random(7).choices("0123456789abcdef", k=20_000))
"""More than a page of an index can hold, however well it is compressed."""

CURRENT_0 = Partition(CURRENT, 0)
REJECTED = "SELECT topic, record_offset, code FROM sink_rejected ORDER BY topic, record_offset"
STORED = "SELECT account_id FROM account ORDER BY 1"


@contextmanager
def refusing(dsn: str, constraint: str = "name <> 'Bad'", table: str = "account") -> Iterator[None]:
    """A constraint that an operator has added."""
    run_sql(dsn, f"ALTER TABLE {table} ADD CONSTRAINT operators CHECK ({constraint})")
    try:
        yield
    finally:
        run_sql(dsn, f"ALTER TABLE {table} DROP CONSTRAINT operators")


def numbered(count: int, bad: Collection[int] = ()) -> list[Record]:
    """Snapshots of as many accounts, at offsets 0, 1, …; the *bad* ones are refused by ``refusing``."""
    return [
        record(snapshot(f"{n:04}", account_name="Bad" if n in bad else "Good"), offset=n)
        for n in range(count)
    ]


BAD: dict[str, tuple[str, Callable[[], Record]]] = {
    "cut": ("decode", lambda: replace(record(snapshot()), value=b"\0\0\0\0\x09cut")),
    "unknown schema": ("unknown_schema", lambda: replace(record(snapshot()), value=b"\0\0\0\x63\x63")),
    "null": ("sink_value", lambda: replace(record(alert()), value=None)),
    "not a number": ("sink_value", lambda: record(alert(evidence=(Evidence(fact="x", value=float("nan")),)))),
    "header": ("sink_value", lambda: replace(record(change()), headers=(("telltale-scored-at", b"soon"),))),
    "a timestamp beyond all years": ("sink_value", lambda: replace(record(change()), timestamp=2**62)),
    "year 9999": ("sink_value", lambda: record(change(as_of=253_402_300_799_000))),
    "no such day": ("sink_value", lambda: record(snapshot(renewal_date=2_000_000_000))),
    "too long for the index": ("sink_constraint", lambda: record(snapshot(LONG))),
    "a header's name": (
        "sink_value",
        lambda: replace(record(change()), headers=(("telltale-scored-at", b"soon"), ("a\0b", b"\xff"))),
    ),
    "a header's null": ("decode", lambda: replace(record(change()), value=b"cut", headers=(("x", None),))),
}


@pytest.mark.parametrize(("code", "bad"), BAD.values(), ids=BAD)
def test_a_record_that_cannot_be_stored_is_quarantined_as_received(
    sink: PostgresTarget, migrated: str, code: str, bad: Callable[[], Record]
) -> None:
    """
    Its neighbours are stored, the position stands behind all, and the record is kept byte for byte with the
    reason.
    """
    before = [record(snapshot("before")), record(alert("al-before")), record(change())]
    broken = bad()

    sink.write([*before, broken, record(snapshot("after"))])
    sink.write([record(snapshot("later"))])

    assert rows(migrated, STORED) == [("after",), ("before",), ("later",)]
    [kept] = rows(migrated, "SELECT * FROM sink_rejected")
    assert (kept.topic, kept.partition, kept.record_offset) == (*broken.partition, broken.offset)
    assert (kept.key, kept.value, kept.code) == (broken.key, broken.value, code)
    assert kept.detail
    assert kept.timestamp == broken.timestamp


def test_a_refused_row_is_found_wherever_it_stands(sink: PostgresTarget, migrated: str) -> None:
    """
    At the ends, side by side, far apart: exactly the refused ones are quarantined, and the others stored
    once.
    """
    bad = {0, 1, 77, 400, 599}

    with refusing(migrated):
        sink.write(numbered(600, bad))

    assert rows(migrated, REJECTED) == [(CURRENT, n, "sink_constraint") for n in sorted(bad)]
    assert rows(migrated, STORED) == [(f"{n:04}",) for n in range(600) if n not in bad]
    assert sink.positions()[CURRENT_0] == 600


def test_without_the_search_one_refused_row_stops_the_sink(
    sink: PostgresTarget, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above with its guard off: nothing of the batch is stored."""
    monkeypatch.setattr(writer, "is_about_a_row", lambda _: False)

    with refusing(migrated), pytest.raises(TargetUnfit, match="23514"):
        sink.write(numbered(600, {400}))

    assert rows(migrated, STORED) == []


def test_a_search_that_breaks_off_goes_on_where_it_was(sink: PostgresTarget, migrated: str) -> None:
    """
    The connection is lost when the record is quarantined: the halves before are stored, and nothing is there
    twice.
    """
    run_sql(
        migrated,
        "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('tries') = 1 THEN RAISE EXCEPTION 'gone' USING ERRCODE = '57P01'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER fail BEFORE INSERT ON sink_rejected FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    batch = numbered(64, {40})

    with refusing(migrated):
        with pytest.raises(TargetAway):
            sink.write(batch)
        reached = sink.positions()[CURRENT_0]
        sink.write(batch[reached:])

    run_sql(migrated, "DROP TRIGGER fail ON sink_rejected; DROP FUNCTION fail; DROP SEQUENCE tries")
    assert reached == 40
    assert rows(migrated, REJECTED) == [(CURRENT, 40, "sink_constraint")]
    assert value(migrated, "SELECT count(*) FROM account") == 63


@pytest.fixture
def small_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five of ten are half."""
    monkeypatch.setattr(rejected, "MOST_REJECTED", 5)
    monkeypatch.setattr(rejected, "AMONG_OFFSETS", 10)


def flooded(dsn: str, *, bad_every: int, **settings: Any) -> int:
    """
    Write forty records of which one in *bad_every* is refused, with a restart where that stops; how far it
    came.
    """
    batch = numbered(40, set(range(0, 40, bad_every)))
    with refusing(dsn), target(dsn, **settings) as sink, target(dsn, **settings) as restarted:
        for run in (sink, restarted):
            reached = run.claim(PARTITIONS, {})[CURRENT_0]
            with suppress(RejectedFlood):
                if reached < len(batch):
                    run.write(batch[reached:])
        return restarted.positions()[CURRENT_0]


@pytest.mark.usefixtures("small_flood")
def test_a_flood_of_refused_rows_stops_the_sink(migrated: str) -> None:
    """
    If more than half of the last records are refused it stands, also when it is started again; half pass.
    """
    assert flooded(migrated, bad_every=2) == 40
    empty_tables(migrated)
    assert flooded(migrated, bad_every=1) == 5
    assert value(migrated, "SELECT count(*) FROM sink_rejected") == 5


@pytest.mark.usefixtures("small_flood")
def test_an_operator_may_have_a_flood_quarantined(migrated: str) -> None:
    """
    Once it is known to be worthless. It is also what the sink does with the guard off: it drains the topic.
    """
    assert flooded(migrated, bad_every=1, accept_flood=True) == 40
    assert value(migrated, "SELECT count(*) FROM sink_rejected") == 40


def test_a_flood_of_what_cannot_be_read_sets_nothing_aside(sink: PostgresTarget, migrated: str) -> None:
    """
    It comes in one batch, and is known for a flood before any of it is quarantined; the error says what to
    do.
    """
    rubbish = [replace(each, value=b"rubbish") for each in numbered(AMONG_OFFSETS)]

    with pytest.raises(RejectedFlood, match=r"up to offset 199 .* because") as stopped:
        sink.write(rubbish)

    assert "--accept-flood" in stopped.value.hint
    assert value(migrated, "SELECT count(*) FROM sink_rejected") == 0


def test_a_missing_month_is_made_again_and_no_records_fault(sink: PostgresTarget, migrated: str) -> None:
    """
    Somebody detached the month, or the database was restored to before it: the row is not refused for good.
    """
    sink.write([record(change(version=1))])
    run_sql(migrated, "DROP TABLE health_change_y2026m11")

    sink.write([record(change(version=2))])

    assert rows(migrated, "SELECT version FROM health_change") == [(2,)]
    assert rows(migrated, REJECTED) == []


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("ALTER TABLE alert RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO alert"),
        ("ALTER TABLE alert RENAME reason TO why", "ALTER TABLE alert RENAME why TO reason"),
    ],
    ids=["table", "column"],
)
def test_tables_that_fit_no_record_stop_the_sink(
    sink: PostgresTarget, migrated: str, broken: str, mended: str
) -> None:
    """Every record would be refused: none is quarantined, and the error says what to look at."""
    run_sql(migrated, broken)

    with pytest.raises(TargetUnfit, match="42") as stopped:
        sink.write([record(alert())])

    run_sql(migrated, mended)
    assert "telltale db upgrade" in stopped.value.hint
    assert rows(migrated, REJECTED) == []


def test_the_log_and_the_metrics_tell_of_it_and_show_no_contents(sink: PostgresTarget, migrated: str) -> None:
    """
    One line per record, with its place, the reason and the hint; what the row says stays in the database.
    """
    dead_letters = metrics.DEAD_LETTERS.labels(CURRENT, "sink_constraint")
    before = dead_letters._value.get()

    with refusing(migrated, "owner <> 'Secret'"), capture_logs() as lines:
        sink.write([record(snapshot(owner="Secret"), offset=3), record(snapshot("good"))])

    [line] = [each for each in lines if each["event"] == "sink.record_rejected"]
    assert (line["topic"], line["partition"], line["offset"]) == (CURRENT, 0, 3)
    assert "operators" in line["reason"]
    assert "telltale sink retry" in line["hint"]
    assert "Secret" not in str(line)
    assert dead_letters._value.get() == before + 1


def test_what_was_quarantined_is_stored_when_its_cause_is_mended(sink: PostgresTarget, migrated: str) -> None:
    """
    While the cause stands nothing changes; a newer version that was stored meanwhile is not overwritten.
    """
    bad = {"account_name": "Bad"}
    scored = (("x", None), (SCORED_AT, b"1"), (SCORED_AT, b"1700000000000"))
    late = replace(record(change("late")), headers=scored)
    with refusing(migrated), refusing(migrated, "account_id <> 'late'", "health_change"):
        sink.write([record(snapshot("old", **bad)), record(snapshot("new", **bad)), late])
        sink.write([record(snapshot("old", version=2))])
        with sink_repair(migrated, group="sink") as repair:
            assert repair.retry(ROWS) == Retried(stored=0, refused=3)
            assert repair.rejected_by_code() == {"sink_constraint": 3}
    run_sql(migrated, "DROP TABLE health_change_y2026m11")

    with sink_repair(migrated, group="sink") as repair:
        assert repair.retry(ROWS) == Retried(stored=3, refused=0)
        assert repair.retry(ROWS) == Retried(stored=0, refused=0)

    assert rows(migrated, "SELECT account_id, version FROM account ORDER BY 1") == [("new", 1), ("old", 2)]
    [(scored_at, produced_at)] = rows(migrated, "SELECT scored_at, produced_at FROM health_change")
    assert scored_at.timestamp() == 1_700_000_000
    assert produced_at.timestamp() * 1000 == late.timestamp


def test_records_at_the_same_offset_of_a_topic_recreated_are_both_kept(
    sink: PostgresTarget, migrated: str
) -> None:
    """Offsets begin again, records do not; a topic that is only read again brings the same ones."""
    unreadable = replace(record(alert(), offset=0), value=b"rubbish")
    for topic_id in ("first", "second", "second"):
        run_sql(migrated, "UPDATE sink_offset SET next_offset = 0, topic_id = NULL")
        sink.claim(PARTITIONS, dict.fromkeys((CURRENT, CHANGE, ALERT), topic_id))
        sink.write([unreadable])

    assert rows(migrated, "SELECT topic_id FROM sink_rejected ORDER BY 1") == [("first",), ("second",)]
