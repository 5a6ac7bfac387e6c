"""Bytes of the state table."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from agents.lane.writer import STATE_BATCH_BYTES
from pipeline.health.account import AccountState
from pipeline.health.components import COMPONENT_NAMES
from pipeline.health.events import LogEntry, Login
from pipeline.health.fold import PartitionFold
from pipeline.health.people import FORGOTTEN_AT_ONCE, MAX_PEOPLE
from pipeline.scorecards import read_documents
from pipeline.wire import state as state_table
from pipeline.wire.position import (
    EPOCH_MARK,
    PARTITION_RECORD,
    POSITION_SIZE,
    EpochUnfinished,
    Position,
    encode_epoch_mark,
    pack_position,
    take_epoch,
    unpack_position,
)
from pipeline.wire.state import (
    STATE_VERSION,
    UPCASTERS,
    Fields,
    decode_account,
    decode_record,
    encode_account,
    encode_record,
    position_of,
)
from pipeline.wire.state_fields import NewerState

DAY = 86_400_000
START = 20_000 * DAY

positions = st.builds(
    Position, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)
)


@given(positions, positions)
def test_positions_sort_as_their_bytes(one: Position, other: Position) -> None:
    """So that of two values of a key the later is found without decoding them."""
    assert (one < other) == (pack_position(one) < pack_position(other))
    assert unpack_position(pack_position(one) + b"rest") == one


def test_a_partitions_record_comes_back_whole() -> None:
    """Position, clock, marks in their order, counters, and the number of accounts."""
    fold = PartitionFold(3, read_documents, epoch=2, topic_id="log-7")
    for number, source in enumerate(("login", "invoice", "file:0a1b")):
        fold.apply(
            "alder",
            LogEntry(START, source, number, 40, Login(source, START, bytes(8), "USER", "WEB")),
            number,
        )

    record = decode_record(encode_record(fold.record()))

    assert record == fold.record()
    assert list(record.source_offsets) == [("login", 0), ("invoice", 1), ("file:0a1b", 2)]
    assert (record.epoch, record.next_offset, record.topic_id, record.accounts) == (2, 3, "log-7", 1)


def test_an_account_of_5000_people_is_written_in_100_kilobytes() -> None:
    """Its size is known: 19 bytes a person, far below what one batch takes."""
    fold = PartitionFold(0, read_documents)
    for number in range(5000):
        login = Login(f"l-{number}", START + number, number.to_bytes(8, "big"), "USER", "WEB")
        fold.apply("alder", LogEntry(START + number, "login", 0, number, login), number)

    value = encode_account(position_of(fold), fold.states["alder"])

    assert 95_000 < len(value) < 100_000
    assert fold.states["alder"].size == len(value)
    assert len(decode_account(value).people) == 5000


def test_an_account_of_a_whole_town_fits_into_one_batch() -> None:
    """Beyond the bound the oldest leave and are counted; the partition goes on."""
    fold = PartitionFold(0, read_documents)
    people = MAX_PEOPLE + 2 * FORGOTTEN_AT_ONCE + 1
    for number in range(people):
        login = Login(f"l-{number}", START + number, number.to_bytes(8, "big"), "USER", "WEB")
        fold.apply("alder", LogEntry(START + number, "login", 0, number, login), number)

    value = encode_account(position_of(fold), fold.states["alder"])
    kept = decode_account(value).people

    assert len(value) < STATE_BATCH_BYTES / 2
    assert fold.counters.evicted == kept.evicted == 3 * FORGOTTEN_AT_ONCE
    assert len(kept) == people - kept.evicted
    assert kept.ids[:8] == kept.evicted.to_bytes(8, "big")
    assert decode_record(encode_record(fold.record())).counters.evicted == kept.evicted


def test_a_new_account_takes_a_few_hundred_bytes() -> None:
    """Rings that never counted take none."""
    assert len(encode_account(bytes(16), AccountState(0, COMPONENT_NAMES))) < 500


def test_every_older_version_has_an_upcaster() -> None:
    """A release that cannot read what the last one wrote would have to rebuild."""
    assert set(UPCASTERS) == set(range(1, STATE_VERSION))


def test_what_an_older_version_wrote_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions back, two functions, in order; a kind that has not changed goes through as it is."""
    record = PartitionFold(3, read_documents, epoch=2, topic_id="log-7").record()

    def with_suffix(suffix: str) -> Callable[[Fields], Fields]:
        return lambda fields: [fields[0], fields[1] + suffix, *fields[2:]]

    written = encode_record(record)
    monkeypatch.setattr(state_table, "STATE_VERSION", STATE_VERSION + 2)
    upcasters = {
        STATE_VERSION: {"record": with_suffix("-b"), "account": lambda _: []},
        STATE_VERSION + 1: {"record": with_suffix("-c")},
    }
    monkeypatch.setattr(state_table, "UPCASTERS", upcasters)

    found = decode_record(written)

    assert (found.topic_id, found.epoch, found.accounts) == ("log-7-b-c", 2, 0)


def test_what_a_newer_version_wrote_is_refused_with_the_hint() -> None:
    """Nobody knows what it means."""
    written = encode_record(PartitionFold(3, read_documents).record())
    _, *fields = msgpack.decode(written[POSITION_SIZE:])
    newer = written[:POSITION_SIZE] + msgpack.encode([STATE_VERSION + 1, *fields])

    with pytest.raises(
        NewerState, match=r"start the newer release again, or recreate it .* `telltale rebuild`"
    ):
        decode_record(newer)


def at(epoch: int) -> bytes:
    return pack_position(Position(epoch, 7, 0)) + b"rest"


def test_of_a_rebuilt_partition_only_the_newest_epoch_counts() -> None:
    """What it has not written again is of no account any more."""
    values = {b"old": at(1), b"alder": at(3), EPOCH_MARK: encode_epoch_mark(3), PARTITION_RECORD: at(3)}

    assert take_epoch(0, values) == {b"alder": at(3), PARTITION_RECORD: at(3)}


def test_a_partition_that_was_never_rebuilt_has_one_epoch() -> None:
    """There is no mark then, and nothing is left out."""
    values = {b"alder": at(1), PARTITION_RECORD: at(1)}

    assert take_epoch(0, values) == values
    assert take_epoch(0, {}) == {}


@pytest.mark.parametrize("written", [{}, {b"alder": at(2)}], ids=["begun", "in part"])
def test_an_epoch_without_its_record_is_told(written: dict[bytes, bytes]) -> None:
    """The rebuild is at it, or was killed: what is there is neither the old state nor the new one."""
    values = {b"alder": at(1), PARTITION_RECORD: at(1), EPOCH_MARK: encode_epoch_mark(2)} | written

    with pytest.raises(EpochUnfinished, match="partition 5: epoch 2 has begun"):
        take_epoch(5, values)
