"""A link that breaks in a commit leaves nobody knowing whether it happened; the stored position knows."""

from collections.abc import Callable
from functools import partial

import pytest

from sinks.postgres import migrations
from sinks.postgres.writer import PostgresTarget
from sinks.target import Fenced, Partition, Record, TargetAway
from tests.integration.postgres_sink_parts import (
    CHANGE,
    alert,
    change,
    empty_tables,
    record,
    rows,
    run_sql,
    snapshot,
    target,
    until,
    value,
)
from tests.integration.postgres_sink_running import (
    ACCOUNTS,
    CuttingProxy,
    history,
    produce,
    read,
    sink_thread,
    stored,
)

CUTS = 50


# Fires for every row that is offered, also for one that is there already: an offer that was committed twice
# is seen.
COUNT_OFFERS = """
CREATE TABLE IF NOT EXISTS offer (version bigint);
TRUNCATE offer;
CREATE OR REPLACE FUNCTION note_offer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO offer VALUES (NEW.version); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER note_offer BEFORE INSERT ON health_change FOR EACH ROW EXECUTE FUNCTION note_offer();
"""


@pytest.fixture
def counted(migrated: str) -> str:
    """Address of a database that notes what is offered to it."""
    run_sql(migrated, COUNT_OFFERS)
    return migrated


Decide = Callable[[PostgresTarget, int], bool]
"""Whether the batch at an offset, whose commit nobody heard of, is stored."""


def by_position(sink: PostgresTarget, offset: int) -> bool:
    return sink.positions()[Partition(CHANGE, 0)] > offset


def batch_at(offset: int) -> list[Record]:
    return [
        record(change(version=offset + 1), offset=offset),
        record(alert(sequence=offset + 1), offset=offset),
        record(snapshot(version=offset + 1), offset=offset),
    ]


def store_through_cuts(dsn: str, decide: Decide) -> int:
    """
    Store a batch, and ``CUTS`` more over a link that breaks in each first commit, in turns before and after
    it.
    """
    with CuttingProxy(dsn) as proxy, target(proxy.dsn) as sink:
        sink.write(batch_at(0))
        for offset in range(1, CUTS + 1):
            proxy.arm(after_commit=offset % 2 == 0)
            try:
                sink.write(batch_at(offset))
            except TargetAway:
                if not decide(sink, offset):
                    sink.write(batch_at(offset))
        return proxy.cuts


def test_commits_nobody_heard_of_are_decided_by_the_position(counted: str) -> None:
    """
    Fifty broken links, half of them before the commit and half after: each batch is stored, and committed
    once.

    ``transaction   |-- rows --|-- position --|-- COMMIT --x``
    """
    assert store_through_cuts(counted, by_position) == CUTS

    assert value(counted, "SELECT count(*) FROM health_change") == CUTS + 1
    assert value(counted, "SELECT count(*) FROM alert_event") == CUTS + 1
    assert value(counted, "SELECT version FROM health_snapshot") == CUTS + 1
    offered = value(counted, "SELECT array_agg(version ORDER BY version) FROM offer")
    assert offered == list(range(1, CUTS + 2))


def test_without_the_position_a_commit_nobody_heard_of_is_a_guess(counted: str) -> None:
    """The test above with its guard off: who takes it for stored loses rows, who does not is refused."""
    store_through_cuts(counted, lambda *_: True)

    assert value(counted, "SELECT count(*) FROM health_change") == 1 + CUTS / 2
    empty_tables(counted)
    with pytest.raises(Fenced, match="stored up to offset"):
        store_through_cuts(counted, lambda *_: False)


def test_a_running_sink_loses_no_row_and_repeats_none_over_a_breaking_link(
    broker: str, postgres: str
) -> None:
    """Each part of the stream meets a link that breaks in a commit, in turns before and after it."""
    migrations.upgrade(postgres)
    run_sql(postgres, COUNT_OFFERS)
    parts = [history(range(n, n + 1)) for n in range(1, 9)]

    def has_read(records: int) -> bool:
        return read(postgres) == records

    with CuttingProxy(postgres) as proxy, sink_thread(broker, proxy.dsn):
        for number, part in enumerate(parts, 1):
            proxy.arm(after_commit=number % 2 == 0)
            produce(broker, part)
            until(partial(has_read, number * len(parts[0])), what=f"part {number} to be stored")

    assert proxy.cuts == len(parts)
    assert stored(postgres) == value(postgres, "SELECT count(*) FROM offer") == 8 * ACCOUNTS
    assert rows(postgres, "SELECT DISTINCT version FROM health_snapshot") == [(8,)]
