"""
What every sink's target promises (``sinks.target.Target``), asked of each there is: to add one is a row in
``STORES``.

The records are changes of one account, at offset n with version n + 1. What a target makes of contents, and
what it does about the faults of its own kind of store, is asked in tests of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Protocol

import pytest

from sinks.target import (
    Fenced,
    Partition,
    Record,
    RejectedFlood,
    Target,
    TargetAway,
    TargetRestored,
    TopicRecreated,
)
from tests.integration.postgres_sink_parts import (
    ALERT,
    CHANGE,
    change,
    empty_tables,
    record,
)
from tests.integration.target_in_memory import MemoryStore
from tests.integration.target_in_postgres import PostgresStore

CHANGE_0, CHANGE_1, ALERT_0 = Partition(CHANGE, 0), Partition(CHANGE, 1), Partition(ALERT, 0)
RUBBISH = b"rubbish"


class Store(Protocol):
    """Where targets of one kind write to, seen past them."""

    def member(self) -> Target:
        """A target as one process has it; all write to this store."""

    def stored(self) -> list[tuple[str, int]]:
        """Account and version of each change that is stored, in order, repeats included if there are any."""

    def quarantined(self) -> list[tuple[Partition, int, bytes | None]]:
        """Place and value of each record that was quarantined, in order."""

    def back_up(self) -> None:
        """Keep all there is at this moment."""

    def restore(self) -> None:
        """Put back what was kept, and nothing else; members notice only by looking."""

    def away(self) -> AbstractContextManager[None]:
        """The store does not answer."""


@contextmanager
def postgres_store(request: pytest.FixtureRequest) -> Iterator[PostgresStore]:
    dsn = request.getfixturevalue("sink_database")
    empty_tables(dsn)
    store = PostgresStore(dsn)
    yield store
    store.close()


STORES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Store]]] = {
    "postgres": postgres_store,
    "memory": lambda _: nullcontext(MemoryStore()),
}
"""Every kind of target; whoever adds one adds it here."""


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store."""
    with STORES[request.param](request) as made:
        yield made


@pytest.fixture
def owner(store: Store) -> Target:
    """A target that has claimed partition 0."""
    member = store.member()
    member.claim([CHANGE_0], {})
    return member


def changes(first: int, following: int, *, partition: Partition = CHANGE_0) -> list[Record]:
    """The changes at these offsets."""
    name = f"account-{partition.number}"
    return [
        replace(record(change(name, version=offset + 1), offset=offset), partition=partition)
        for offset in range(first, following)
    ]


def versions(first: int, following: int) -> list[tuple[str, int]]:
    """What is stored of ``changes``."""
    return [("account-0", offset + 1) for offset in range(first, following)]


def test_a_partition_that_nobody_has_stored_is_read_from_its_start(store: Store) -> None:
    """Each of those claimed, and no other."""
    assert store.member().claim([CHANGE_0, ALERT_0], {}) == {CHANGE_0: 0, ALERT_0: 0}


def test_the_next_owner_reads_on_behind_what_is_stored(store: Store, owner: Target) -> None:
    """Rows and position are stored together; offsets may have gaps, as compaction and markers leave them."""
    owner.write(changes(0, 3) + changes(7, 9))

    assert owner.positions() == {CHANGE_0: 9}
    assert store.member().claim([CHANGE_0, CHANGE_1], {}) == {CHANGE_0: 9, CHANGE_1: 0}
    assert store.stored() == versions(0, 3) + versions(7, 9)


def test_partitions_move_each_by_itself(store: Store) -> None:
    """A batch may hold records of several, mixed."""
    member = store.member()
    member.claim([CHANGE_0, CHANGE_1], {})

    member.write([*changes(0, 2), *changes(0, 5, partition=CHANGE_1), *changes(2, 3)])

    assert member.positions() == {CHANGE_0: 3, CHANGE_1: 5}
    assert len(store.stored()) == 8


def test_what_is_written_again_at_a_later_offset_is_there_once(store: Store, owner: Target) -> None:
    """Workers that crash repeat records."""
    owner.write(changes(0, 3))

    owner.write([replace(each, offset=each.offset + 3) for each in changes(0, 3)])

    assert store.stored() == versions(0, 3)
    assert owner.positions() == {CHANGE_0: 6}


def test_a_batch_that_is_stored_already_is_refused(store: Store, owner: Target) -> None:
    """Whoever hands it over has lost its place."""
    owner.write(changes(0, 3))

    with pytest.raises(Fenced):
        owner.write(changes(2, 5))

    assert store.stored() == versions(0, 3)
    assert owner.positions() == {CHANGE_0: 3}


def test_an_owner_that_was_replaced_stores_nothing_more(store: Store, owner: Target) -> None:
    """
    However late it wakes up, and whether or not the new one has written.

    ``owner      claims  0 1 2              3 4  refused``
    ``successor                claims                   3 4 5``
    """
    owner.write(changes(0, 3))
    successor = store.member()
    reading_from = successor.claim([CHANGE_0], {})

    for call in (lambda: owner.write(changes(3, 5)), owner.positions, owner.check):
        with pytest.raises(Fenced):
            call()
    successor.write(changes(3, 6))

    assert reading_from == {CHANGE_0: 3}
    assert store.stored() == versions(0, 6)
    with pytest.raises(Fenced):
        owner.write(changes(6, 7))


def test_only_the_last_claim_counts(store: Store, owner: Target) -> None:
    """A member whose partitions changed owns the new ones and no others: another may have those of before."""
    owner.claim([CHANGE_1], {})
    other = store.member()
    other.claim([CHANGE_0], {})

    owner.check()
    owner.write(changes(0, 2, partition=CHANGE_1))

    assert owner.positions() == {CHANGE_1: 2}


@pytest.mark.parametrize("empty", [True, False], ids=["of before any claim", "of this claim"])
def test_a_store_that_went_back_is_noticed_and_read_up_again(store: Store, *, empty: bool) -> None:
    """
    At each call; nothing is stored behind the hole, and a claim says where to read on.

    ``stored    0 1 2 3 4``
    ``restored  0 1``
    ``then          2 3 4 5``
    """
    member = store.member()
    if empty:
        store.back_up()
    member.claim([CHANGE_0], {})
    member.write(changes(0, 2))
    if not empty:
        store.back_up()
    member.write(changes(2, 5))
    store.restore()
    left = store.stored()

    for call in (lambda: member.write(changes(5, 6)), member.positions, member.check):
        with pytest.raises(TargetRestored):
            call()
    assert store.stored() == left
    reading_from = member.claim([CHANGE_0], {})[CHANGE_0]
    member.write(changes(reading_from, 6))

    assert reading_from == (0 if empty else 2)
    assert store.stored() == versions(0, 6)


def test_positions_of_a_topic_that_was_recreated_are_refused(store: Store) -> None:
    """With the way back in the hint; where a broker tells no id, nothing can be told."""
    member = store.member()
    for topic_ids in ({}, {CHANGE: "first"}, {}, {CHANGE: "first"}):
        member.claim([CHANGE_0], topic_ids)

    with pytest.raises(TopicRecreated) as refused:
        member.claim([CHANGE_0], {CHANGE: "second"})

    assert refused.value.hint == member.way_back(CHANGE)
    assert CHANGE in refused.value.hint


def test_a_store_that_is_away_is_told_apart_and_gone_on_with(store: Store, owner: Target) -> None:
    """
    Each call says so; when it answers again the positions say where to read on, and the claim still stands.
    """
    owner.write(changes(0, 2))

    with store.away():
        for call in (
            lambda: owner.write(changes(2, 4)),
            owner.positions,
            owner.check,
            lambda: store.member().claim([CHANGE_0], {}),
        ):
            with pytest.raises(TargetAway):
                call()
        assert owner.way_back(CHANGE)
    reading_from = owner.positions()[CHANGE_0]
    owner.write(changes(reading_from, 4))

    assert reading_from == 2
    assert store.stored() == versions(0, 4)


def test_a_record_that_cannot_be_stored_is_quarantined_as_received(store: Store, owner: Target) -> None:
    """Its neighbours are stored, and the position stands behind all of them."""
    [before, bad, after] = changes(0, 3)

    owner.write([before, replace(bad, value=RUBBISH), after])

    assert store.quarantined() == [(CHANGE_0, 1, RUBBISH)]
    assert store.stored() == [*versions(0, 1), *versions(2, 3)]
    assert owner.positions() == {CHANGE_0: 3}


def test_a_flood_of_them_stops_the_sink_before_it_drains_the_topic(store: Store, owner: Target) -> None:
    """That is no single record's fault; nothing of such a batch counts as read."""
    owner.write(changes(0, 1))

    with pytest.raises(RejectedFlood):
        owner.write([replace(each, value=RUBBISH) for each in changes(1, 400)])

    assert store.quarantined() == []
    assert owner.positions() == {CHANGE_0: 1}
