"""``telltale sink rewind``, ``rejected`` and ``retry``: the ways out that the sink's messages name."""

from dataclasses import replace

import pytest

from sinks.consumer import consumer
from sinks.consumer.topic_reader import PositionLost
from sinks.postgres import migrations
from sinks.postgres.group import GROUP
from tests.integration.command_line import Telltale
from tests.integration.postgres_sink_parts import (
    CHANGE,
    CURRENT,
    change,
    record,
    rows,
    run_sql,
    snapshot,
    target,
    until,
    value,
)
from tests.integration.postgres_sink_running import ACCOUNTS, history, produce, sink_thread, stored


@pytest.fixture
def telltale(migrated: str) -> Telltale:
    return Telltale(brokers="", database_url=migrated)


def test_a_lost_position_is_mended_by_rewinding_the_topic(broker: str, postgres: str) -> None:
    """The message names the command; after it the sink stores what the topic has."""
    migrations.upgrade(postgres)
    produce(broker, history(range(1, 3)))
    run_sql(
        postgres,
        "INSERT INTO sink_offset (consumer_group, topic, partition, next_offset, owner_epoch, owner) "
        f"VALUES ('{GROUP}', '{CHANGE}', 0, 5000, 1, 'before')",
    )
    with pytest.raises(PositionLost) as lost, sink_thread(broker, postgres) as readiness:
        until(lambda: readiness()[1] == "ended", what="the sink to stop")

    command = lost.value.hint.split("`")[1]
    answer = Telltale(brokers=broker, database_url=postgres)(*command.split()[1:])
    with sink_thread(broker, postgres):
        until(lambda: stored(postgres) == 2 * ACCOUNTS, what="all changes to be stored")

    assert command == f"telltale sink rewind {CHANGE}"
    assert (answer.code, answer.out) == (0, f"{CHANGE}: 4 partitions are read again from their start\n")


def test_a_running_sink_reads_a_rewound_topic_again(
    broker: str, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart: rows that were lost are there again, the others are as they were."""
    monkeypatch.setattr(consumer, "CHECK_SECONDS", 0.3)
    migrations.upgrade(postgres)
    produce(broker, history(range(1, 3)))

    with sink_thread(broker, postgres):
        until(lambda: stored(postgres) == 2 * ACCOUNTS, what="all changes to be stored")
        run_sql(postgres, "DELETE FROM health_change WHERE version = 1")
        Telltale(brokers=broker, database_url=postgres)("sink", "rewind", CHANGE)
        until(lambda: stored(postgres) == 2 * ACCOUNTS, what="the lost changes to be stored again")

    assert value(postgres, "SELECT count(DISTINCT committed_at) FROM health_change") > 1


def test_a_topic_recreated_is_read_after_rewinding_it(telltale: Telltale, migrated: str) -> None:
    """The stored id was another one's; the position begins at 0 and takes the id that is there."""
    with target(migrated, group=GROUP) as sink:
        sink.claim([record(snapshot()).partition], {CURRENT: "first"})
        rewound = telltale("sink", "rewind", CURRENT, "--json")

        assert rewound.rows == [{"topic": CURRENT, "partitions": 1}]
        assert sink.claim([record(snapshot()).partition], {CURRENT: "second"}) == {(CURRENT, 0): 0}


def test_only_a_topic_the_sink_reads_can_be_rewound(telltale: Telltale) -> None:
    """The message names the three there are."""
    answer = telltale("sink", "rewind", "customer.login.v1")

    assert answer.code == 2
    assert "health.current.v1, health.change.v1, health.alert.v1" in answer.err


def test_rejected_records_are_listed_and_retried(telltale: Telltale, migrated: str) -> None:
    """Place, key, reason; what can be stored after the cause was mended leaves the list, the rest stays."""
    assert telltale("sink", "rejected").out == "none\n"
    run_sql(migrated, "ALTER TABLE health_change ADD CONSTRAINT operators CHECK (kind <> 'EVENT')")
    rubbish = replace(record(snapshot("birch"), offset=7), value=b"rubbish")
    with target(migrated, group=GROUP) as sink:
        sink.write([rubbish])
        sink.write([record(change("alder"), offset=3)])

    listed = telltale("sink", "rejected", "--json").rows
    table = telltale("sink", "rejected").out
    run_sql(migrated, "ALTER TABLE health_change DROP CONSTRAINT operators")
    retried, again = telltale("sink", "retry").out, telltale("sink", "retry", "--json").rows

    assert [(row["topic"], row["record_offset"], row["key"], row["code"]) for row in listed] == [
        (CHANGE, 3, "alder", "sink_constraint"),
        (CURRENT, 7, "birch", "decode"),
    ]
    assert "operators" in table
    assert "telltale sink retry" in table
    assert retried == "1 stored, 1 still refused\n"
    assert again == [{"stored": 0, "refused": 1}]
    assert rows(migrated, "SELECT account_id FROM health_change") == [("alder",)]
    assert [row["key"] for row in telltale("sink", "rejected", "--json").rows] == ["birch"]


def test_the_doctor_counts_what_was_quarantined(telltale: Telltale, migrated: str) -> None:
    """A warning with the hint; all is well where there is none."""

    def finding() -> dict[str, str]:
        [found] = [
            row
            for row in telltale("doctor", "--json", "--watch", "1", TELLTALE_TICK_SECONDS="1").rows
            if row["check"] == "rejected"
        ]
        return found

    before = finding()
    with target(migrated, group=GROUP) as sink:
        sink.write([replace(record(snapshot()), value=b"rubbish")])
    after = finding()

    assert (before["state"], before["says"]) == ("ok", "records the Postgres sink quarantined: 0")
    assert (after["state"], after["says"]) == ("warn", "records the Postgres sink quarantined: 1")
    assert "telltale sink retry" in after["hint"]


def test_tables_that_are_old_are_named_with_the_hint(telltale: Telltale, migrated: str) -> None:
    """A database that was not upgraded has no such table."""
    migrations.downgrade(migrated, "0002")

    answer = telltale("sink", "rejected")

    migrations.upgrade(migrated)
    assert answer.code == 1
    assert "telltale db upgrade" in answer.err
