"""
What batches leave in the tables: nothing twice, nothing backwards, every text as it was, a month for every
time.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import true

from pipeline import metrics
from pipeline.health.outputs import ComponentScore
from pipeline.health.versions import Output
from pipeline.wire.outputs import SCORED_AT
from sinks.postgres import statements
from sinks.postgres.connection import make_engine
from sinks.postgres.partitions import ensure_partitions
from sinks.postgres.statements import COPY_FROM
from sinks.postgres.writer import PostgresTarget
from sinks.target import Record
from tests.integration.postgres_sink_parts import (
    alert,
    change,
    record,
    rows,
    snapshot,
    value,
)

HOSTILE = (
    'O\'Brien "&" Söhne\n\t\\N \\. \\u0000 $1 %s %(x)s :name {x} ; DROP TABLE account; -- \u202e\U0001f525'
)


def crowd() -> list[Record]:
    """Enough accounts that every table takes the way through COPY."""
    accounts = [f"crowd-{n}" for n in range(COPY_FROM)]
    return [
        record(output)
        for name in accounts
        for output in (snapshot(name), change(name), alert(f"al-{name}", account_id=name))
    ]


def test_outputs_become_rows_of_the_same_names(sink: PostgresTarget, migrated: str) -> None:
    """
    Times are timestamps, dates dates, money numeric, and what has parts JSON whose times cast to timestamps.
    """
    sink.write([record(snapshot()), record(change()), record(alert())])

    [account] = rows(migrated, "SELECT name, cmrr, renewal_date, closed FROM account")
    [(usage, fresh_until)] = rows(
        migrated,
        "SELECT components -> 0 ->> 'name', (components -> 0 ->> 'fresh_until')::timestamptz FROM health_snapshot",
    )
    [(topic, points, scored, produced)] = rows(
        migrated,
        "SELECT causes -> 0 ->> 'topic', points -> 0 ->> 'points', scored_at - as_of, produced_at - as_of FROM health_change",
    )
    assert [str(part) for part in account] == ["Alder", "1000.0000", "2027-01-13", "False"]
    assert (usage, fresh_until) == ("usage", datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert (topic, points) == ("customer.login.v1", "-10.0")
    assert (scored.total_seconds(), produced.total_seconds()) == (0.04, 0.05)
    assert value(migrated, "SELECT committed_at > now() - interval '1 minute' FROM alert_event")


def test_of_several_scoring_times_the_last_that_is_one_counts(sink: PostgresTarget, migrated: str) -> None:
    """A header may come twice, when a record was copied, and may be null."""
    times = tuple((SCORED_AT, content) for content in (b"1000", b"2000", None))

    sink.write([replace(record(change()), headers=times)])

    assert value(migrated, "SELECT scored_at FROM health_change") == datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)


def test_a_repeat_changes_nothing(sink: PostgresTarget, migrated: str) -> None:
    """A worker that crashed writes the same outputs again, at later offsets."""
    outputs = (snapshot(), change(), alert())
    everything = "SELECT * FROM health_snapshot, account, health_change, alert, alert_event"
    sink.write([record(output) for output in outputs])
    before = rows(migrated, everything)
    stale = metrics.SINK_ROWS.labels("health_change", "stale")
    stale_before = stale._value.get()

    sink.write([record(output) for output in outputs] + [record(output) for output in outputs])

    assert rows(migrated, everything) == before
    assert stale._value.get() == stale_before + 2


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two"])
def test_versions_never_go_back(sink: PostgresTarget, migrated: str, *, together: bool) -> None:
    """
    The epoch counts before the version, for alerts before the sequence; an older record changes nothing.
    """
    newer: list[Output] = [
        snapshot(epoch=2, version=1, score=20.0, owner="new"),
        alert(epoch=2, severity="CRITICAL"),
    ]
    older: list[Output] = [
        snapshot(epoch=1, version=9, score=90.0, owner="old"),
        alert(epoch=1, sequence=7, severity="INFO"),
    ]
    batches = [newer + older] if together else [newer, older]

    for batch in batches:
        sink.write([record(output) for output in batch])

    assert rows(migrated, "SELECT score, owner FROM health_snapshot JOIN account USING (account_id)") == [
        (20.0, "new")
    ]
    assert rows(migrated, "SELECT severity FROM alert") == [("CRITICAL",)]
    assert rows(migrated, "SELECT sequence FROM alert_event ORDER BY 1") == [(1,), (7,)]


def test_without_the_guard_versions_do_go_back(
    sink: PostgresTarget, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above with its guard off: this is what it is for."""
    monkeypatch.setattr(statements, "is_newer", lambda *_: true())

    sink.write([record(snapshot(version=2, score=20.0))])
    sink.write([record(snapshot(version=1, score=90.0))])

    assert value(migrated, "SELECT score FROM health_snapshot") == 90.0


def test_the_way_of_many_rows_stores_what_the_way_of_few_does(sink: PostgresTarget, migrated: str) -> None:
    """COPY and ``executemany`` are two ways to the same rows, new ones, newer ones and repeats alike."""
    many = crowd()
    one = [each for each in many if each.key == b"crowd-0"]
    sink.write([*one, record(snapshot("crowd-1", score=1.0)), record(snapshot("crowd-2", version=5))])

    sink.write([replace(each, offset=each.offset + len(many)) for each in many])

    for table in ("account", "health_snapshot", "health_change", "alert", "alert_event"):
        assert value(migrated, f"SELECT count(*) FROM {table}") == COPY_FROM
    differing = "SELECT account_id, version, score FROM health_snapshot WHERE (version, score) <> (1, 80)"
    assert rows(migrated, f"{differing} ORDER BY 1") == [("crowd-1", 1, 1.0), ("crowd-2", 5, 80.0)]
    alike = "SELECT count(DISTINCT (band, components, scored_at, fold_version)) FROM health_snapshot"
    assert value(migrated, alike) == 1


@pytest.mark.parametrize("company", [0, COPY_FROM], ids=["few", "many"])
def test_hostile_text_is_stored_as_it_is(sink: PostgresTarget, migrated: str, company: int) -> None:
    """
    Quotes, COPY's own signs, placeholders, escapes: text is data. Only NUL, which Postgres has not, is
    replaced.
    """
    usage = ComponentScore(name=HOSTILE, score=None, weight=1.0, points=0.0, reason="a\0b", fresh_until=None)

    sink.write([record(snapshot(HOSTILE, account_name="a\0b", components=(usage,))), *crowd()[: 3 * company]])

    stored = "SELECT name, components -> 0 ->> 'name', components -> 0 ->> 'reason' FROM account JOIN health_snapshot USING (account_id)"
    assert rows(migrated, f"{stored} WHERE account_id = :account", account=HOSTILE) == [
        ("a�b", HOSTILE, "a�b")
    ]


def test_each_change_goes_into_the_month_of_its_time(sink: PostgresTarget, migrated: str) -> None:
    """
    Months are made when they are needed, in UTC, over the end of a year and while somebody reads the table.
    """
    new_year = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)
    engine = make_engine(migrated, application="reader")

    with engine.begin() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM health_change")
        sink.write([record(change(version=n, as_of=new_year + n - 2)) for n in (1, 2, 3)])

    engine.dispose()
    assert rows(migrated, "SELECT tableoid::regclass::text, version FROM health_change ORDER BY version") == [
        ("health_change_y2026m12", 1),
        ("health_change_y2027m01", 2),
        ("health_change_y2027m01", 3),
    ]


def test_sinks_that_need_the_same_month_make_it_once(migrated: str) -> None:
    """Two sinks meet the first change of a month at the same moment; both go on."""

    def ensure() -> tuple[date, ...]:
        engine = make_engine(migrated, application="test")
        try:
            with engine.begin() as connection:
                return ensure_partitions(connection, [date(2027, 2, 1)]).made
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as sinks:
        made = [result.result() for result in [sinks.submit(ensure) for _ in range(4)]]

    assert sorted(made) == [(), (), (), (date(2027, 2, 1),)]
