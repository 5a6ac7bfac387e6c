"""The state store: what recovery makes of a changelog, and what it refuses."""

import asyncio
from collections.abc import Iterable
from itertools import count

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from agents.app import make_app
from agents.lane.fences import Exit
from agents.lane.store import StateStore, StateTable
from pipeline.wire.position import EPOCH_MARK, Position, encode_epoch_mark, pack_position
from tests.unit.agents.lane_in_memory import ends_with, record

CHANGELOG = TP("lane-states-changelog", 2)
OTHER = TP("lane-states-changelog", 3)
LOG = TP("log", 2)


def make_store() -> StateStore:
    """An empty store."""
    return StateTable(
        make_app("lane", brokers="127.0.0.1:1", partitions=4), name="states", partitions=4
    ).store


def state(next_offset: int, *, epoch: int = 1, timers_fired: int = 0, body: bytes = b"") -> bytes:
    """A state value that stands at a position."""
    return pack_position(Position(epoch, next_offset, timers_fired)) + body


def apply(store: StateStore, *values: tuple[bytes, bytes | None], tp: TP = CHANGELOG, start: int = 0) -> None:
    """Recover *values* (key, value) from offset *start* on."""
    store.apply(tp, [record(tp, offset, key, value) for offset, (key, value) in enumerate(values, start)])


def test_the_newest_state_of_each_key_is_kept() -> None:
    """In the ordinary case positions rise, and the last record of a key is its state."""
    store = make_store()

    apply(store, (b"a", state(1)), (b"b", state(1)), (b"a", state(2)))

    assert store.take_states(2) == {b"a": state(2), b"b": state(1)}
    assert store.take_superseded(2) == set()


def test_an_older_state_written_late_does_not_count_and_is_named() -> None:
    """
    Somebody who had lost the partition woke up and wrote what he had in hand.

        offset    0      1      2      3
        key       a      b      a      b
        position  5      5      3 late 6     a: 5 stands, and is to be written again; b: 6
    """
    store = make_store()

    apply(store, (b"a", state(5)), (b"b", state(5)), (b"a", state(3)), (b"b", state(6)))

    assert store.take_superseded(2) == {b"a"}
    assert store.take_states(2) == {b"a": state(5), b"b": state(6)}


def test_timers_fired_and_epoch_are_part_of_the_position() -> None:
    """A tick is written in several steps at one offset; a rebuild starts a new epoch from offset 0."""
    store = make_store()

    apply(store, (b"a", state(7, timers_fired=2)), (b"a", state(7, timers_fired=1)))
    apply(store, (b"b", state(1, epoch=2)), (b"b", state(9, epoch=1)), start=2)

    assert store.states[2] == {b"a": state(7, timers_fired=2), b"b": state(1, epoch=2)}


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(0, 5)), min_size=1), st.data())
def test_the_highest_position_wins_however_the_changelog_is_cut_into_polls(
    written: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    """
    For each key the state with the highest position, and superseded exactly when a lower one lies over it.
    """
    store, left, offset = make_store(), list(written), 0
    while left:
        size = data.draw(st.integers(1, len(left)))
        apply(store, *((key, state(at)) for key, at in left[:size]), start=offset)
        left, offset = left[size:], offset + size

    for key in {key for key, _ in written}:
        positions = [at for k, at in written if k == key]
        assert store.states[2][key] == state(max(positions))
        assert (key in store.superseded[2]) == (positions[-1] < max(positions))


def test_records_that_were_read_before_are_skipped() -> None:
    """Recovery reads the last known record again, and a seek may go further back."""
    store = make_store()
    apply(store, (b"a", state(1)), (b"a", state(2)))

    apply(store, (b"a", state(1)))  # a poll may end inside what is known
    assert store.superseded[2] == set()
    apply(store, (b"a", state(2)), (b"a", state(3)), start=1)

    assert store.states[2] == {b"a": state(3)}
    assert store.superseded[2] == set()
    assert store.persisted_offset(CHANGELOG) == 2


@pytest.mark.asyncio
async def test_a_tombstone_ends_the_process() -> None:
    """A null has no position, so nothing says whether it is newer than the state."""
    store = make_store()
    apply(store, (b"a", None), (b"a", state(1)))

    with ends_with(Exit.TOMBSTONE):
        await store.on_recovery_completed({CHANGELOG}, set())


@pytest.mark.asyncio
async def test_a_tombstone_from_before_a_rebuild_takes_nothing_away() -> None:
    """A rebuild writes every key again, and is what helps after somebody has deleted some."""
    store = make_store()
    apply(store, (b"a", None), (EPOCH_MARK, encode_epoch_mark(2)), (b"a", state(1, epoch=2)))

    await store.on_recovery_completed({CHANGELOG}, set())

    assert store.states[2][b"a"] == state(1, epoch=2)


def test_an_unknown_partition_is_recovered_from_its_beginning() -> None:
    """Faust takes None for "go on where you were", which may be another generation's place."""
    assert make_store().persisted_offset(CHANGELOG) == -1


def test_our_own_batches_move_the_offset_and_are_not_read_again() -> None:
    """What we have appended, the fold knows."""
    store = make_store()
    apply(store, (b"a", state(1)))

    store.appended(CHANGELOG, base_offset=1, count=3)

    assert store.persisted_offset(CHANGELOG) == 3


@pytest.mark.parametrize("base_offset", [0, 2, -1])
def test_a_batch_that_does_not_follow_our_last_one_ends_the_process(base_offset: int) -> None:
    """Somebody else has written in between, as the broker's offset tells; -1 if it no longer knows."""
    store = make_store()
    apply(store, (b"a", state(1)))

    with ends_with(Exit.FOREIGN_APPEND):
        store.appended(CHANGELOG, base_offset, count=1)


def test_a_record_behind_the_fold_of_a_partition_we_kept_ends_the_process() -> None:
    """The fold in memory does not know it."""
    store = make_store()
    apply(store, (b"a", state(1)))
    store.folds[2] = object()

    with ends_with(Exit.FOREIGN_APPEND):
        apply(store, (b"a", state(2)), start=1)


def rebalanced(store: StateStore, *, generation: int, revoked: Iterable[TP] = ()) -> None:
    """Tell *store* of a rebalance."""
    asyncio.run(store.on_rebalance(set(), set(revoked), set(), generation))


def test_a_revoked_partition_is_forgotten_with_its_fold_and_the_others_are_kept() -> None:
    """Its next owner writes on; what we know of it ages."""
    store, numbers = make_store(), count()
    rebalanced(store, generation=1)
    for tp in (CHANGELOG, OTHER):
        apply(store, (b"a", state(1)), tp=tp)
        store.folds[tp.partition] = next(numbers)

    rebalanced(store, generation=2, revoked={CHANGELOG, LOG})

    assert store.folds == {3: 1}
    assert set(store.states) == {3}
    assert store.persisted_offset(CHANGELOG) == -1
    assert store.persisted_offset(OTHER) == 0


def test_everything_is_forgotten_when_the_group_had_a_generation_without_us() -> None:
    """Another worker may have owned our partitions meanwhile, and given them back."""
    store = make_store()
    rebalanced(store, generation=1)
    apply(store, (b"a", state(1)))
    store.folds[2] = object()

    rebalanced(store, generation=3)

    assert store.folds == {}
    assert dict(store.states) == {}
    assert store.persisted_offset(CHANGELOG) == -1


def test_partitions_are_recovered_only_once_their_changelog_is_read_to_the_end() -> None:
    """A seek in the middle of a rebalance must not build a fold from half a changelog."""
    store = make_store()
    asyncio.run(store.on_recovery_completed({CHANGELOG}, set()))
    assert store.recovered == {2}

    rebalanced(store, generation=1)

    assert store.recovered == set()


def test_state_is_written_in_steps_only() -> None:
    """A write past the changelog would be lost, and one past the fold is wrong."""
    store = make_store()

    with pytest.raises(TypeError, match="appended"):
        store[b"a"] = state(1)
    with pytest.raises(TypeError, match="tombstone"):
        del store[b"a"]
