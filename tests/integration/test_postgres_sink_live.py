"""
The whole sink on a broker and a Postgres: killed, parted from either, and sharing its work, it stores each
row once.
"""

import signal
from contextlib import ExitStack

import pytest
from confluent_kafka import Producer
from structlog.testing import capture_logs

from pipeline.embedded.ports import free_port
from sinks.consumer.topic_reader import PositionLost
from sinks.postgres import migrations
from tests.integration.postgres_sink_parts import CHANGE, rows, run_sql, until, value
from tests.integration.postgres_sink_running import (
    ACCOUNTS,
    history,
    produce,
    read,
    sink_process,
    sink_thread,
    stored,
)

VERSIONS = 50


def test_a_sink_that_is_killed_stores_each_row_once(broker: str, postgres: str) -> None:
    """
    Killed with -9 in the middle of the stream and of a transaction: nothing missing, nothing twice; SIGTERM
    ends it well.

    The transactions are slowed down, so that the kill falls into one.
    ``transactions  |-- 1 --|-- 2 --x     |-- 2 --|-- 3 --|-- 4 --|-- 5 --|``
    """
    migrations.upgrade(postgres)
    run_sql(
        postgres,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;"
        "CREATE TRIGGER slow AFTER UPDATE ON sink_offset FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )
    outputs = history(range(1, VERSIONS + 1))
    produce(broker, outputs)

    with sink_process(broker, postgres) as first:
        until(lambda: stored(postgres), what="the first transaction")
        in_transaction = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        until(lambda: value(postgres, in_transaction), what="the second transaction to be under way")
        first.kill()
    run_sql(postgres, "DROP TRIGGER slow ON sink_offset")
    stored_by_first = stored(postgres)
    with sink_process(broker, postgres) as second:
        until(lambda: read(postgres) == len(outputs), what="the second to store the rest")
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0

    assert 0 < stored_by_first < ACCOUNTS * VERSIONS
    assert stored(postgres) == ACCOUNTS * VERSIONS
    assert rows(postgres, "SELECT DISTINCT version, score FROM health_snapshot") == [
        (VERSIONS, float(VERSIONS))
    ]
    assert value(postgres, "SELECT count(*) FROM health_snapshot") == ACCOUNTS
    assert rows(postgres, "SELECT transition, count(*) FROM alert GROUP BY 1") == [("RESOLVED", ACCOUNTS)]
    assert value(postgres, "SELECT count(*) FROM alert_event") == 2 * ACCOUNTS


def test_sinks_share_the_work_and_take_it_over_from_each_other(broker: str, postgres: str) -> None:
    """
    A second sink joins and gets its share, the first leaves and the second does all: each row is stored once.
    """
    migrations.upgrade(postgres)
    owners = "SELECT owner, count(*) FROM sink_offset GROUP BY 1"
    parts = [history(range(n, n + 3)) for n in (1, 4, 7)]
    produce(broker, parts[0])

    with ExitStack() as second_stays:
        with sink_thread(broker, postgres):
            until(lambda: read(postgres) == len(parts[0]), what="the first to store the first part")
            second_stays.enter_context(sink_thread(broker, postgres))
            until(
                lambda: sorted(n for _, n in rows(postgres, owners)) == [6, 6],
                what="the second to get its share",
            )
            produce(broker, parts[1])
            until(lambda: read(postgres) == 2 * len(parts[0]), what="both to store the second part")
        produce(broker, parts[2])
        until(lambda: read(postgres) == 3 * len(parts[0]), what="the second to store the last part")

    assert [n for _, n in rows(postgres, owners)] == [12]
    assert stored(postgres) == 9 * ACCOUNTS
    assert rows(postgres, "SELECT DISTINCT version FROM health_snapshot") == [(9,)]


def test_rubbish_in_a_topic_is_quarantined_and_the_sink_goes_on(broker: str, postgres: str) -> None:
    """
    What stands before, beside and behind it is stored, and the group's position is behind all.

    Its headers are kept as they came: a name twice, a value null.
    """
    migrations.upgrade(postgres)
    parts = [history(range(n, n + 1)) for n in (1, 2)]
    producer = Producer({"bootstrap.servers": broker, "log_level": 0})
    headers: list[tuple[str, str | bytes | None]] = [("x", None), ("y", b"1"), ("y", b"2")]

    with sink_thread(broker, postgres) as readiness:
        produce(broker, parts[0])
        for partition in range(4):
            producer.produce(CHANGE, b"rubbish", b"somebody", partition=partition, headers=headers)
        assert producer.flush(20) == 0
        produce(broker, parts[1])
        until(lambda: read(postgres) == 2 * len(parts[0]) + 4, what="all to be read")
        assert readiness()[0]

    assert stored(postgres) == 2 * ACCOUNTS
    assert rows(
        postgres, "SELECT code, count(*), count(DISTINCT partition) FROM sink_rejected GROUP BY 1"
    ) == [("decode", 4, 4)]
    [[kept]] = rows(postgres, "SELECT DISTINCT headers FROM sink_rejected")
    assert kept == [["x", None], ["y", "31"], ["y", "32"]]


def test_a_sink_without_a_broker_says_so_and_waits(postgres: str) -> None:
    """It names the address and the reason, once, and stops when asked."""
    nobody = f"127.0.0.1:{free_port()}"

    with capture_logs() as lines, sink_thread(nobody, postgres) as readiness:
        until(lambda: "no broker answers" in readiness()[1], what="the sink to see that the broker is away")

    [told] = [line for line in lines if line["event"] == "sink.broker_away"]
    assert told["brokers"] == nobody
    assert "refused" in told["reason"]


def test_a_position_the_topic_does_not_have_stops_the_sink(broker: str, postgres: str) -> None:
    """
    The topic was recreated, or retention was shorter than the sink's absence: no record is stepped over.
    """
    migrations.upgrade(postgres)
    produce(broker, history(range(1, 2)))
    run_sql(
        postgres,
        "INSERT INTO sink_offset (consumer_group, topic, partition, next_offset, owner_epoch, owner) "
        f"VALUES ('telltale-sink-postgres', '{CHANGE}', 0, 5000, 1, 'before')",
    )

    with (
        pytest.raises(PositionLost, match="stored up to offset 5000") as lost,
        sink_thread(broker, postgres) as readiness,
    ):
        until(lambda: readiness()[1] == "ended", what="the sink to stop")

    assert "telltale sink rewind health.change.v1" in lost.value.hint
