"""Bytes of the state table."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.account import AccountState
from pipeline.health.components import COMPONENTS
from pipeline.health.events import LogEntry, Login
from pipeline.health.fold import PartitionFold
from pipeline.wire.state import (
    Position,
    decode_account,
    decode_record,
    encode_account,
    encode_record,
    pack_position,
    position_of,
    unpack_position,
)

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
    fold = PartitionFold(3, epoch=2, incarnation="log-7")
    for number, source in enumerate(("login", "invoice", "file:0a1b")):
        fold.apply(
            "alder",
            LogEntry(START, source, number, 40, Login(source, START, bytes(8), "USER", "WEB")),
            number,
        )

    record = decode_record(encode_record(fold.record()))

    assert record == fold.record()
    assert list(record.marks) == [("login", 0), ("invoice", 1), ("file:0a1b", 2)]
    assert (record.epoch, record.next_offset, record.incarnation, record.accounts) == (2, 3, "log-7", 1)


def test_an_account_of_5000_people_is_written_in_100_kilobytes() -> None:
    """Its size is known: 19 bytes a person, far below what one batch takes."""
    fold = PartitionFold(0)
    for number in range(5000):
        login = Login(f"l-{number}", START + number, number.to_bytes(8, "big"), "USER", "WEB")
        fold.apply("alder", LogEntry(START + number, "login", 0, number, login), number)

    value = encode_account(position_of(fold), fold.states["alder"])

    assert 95_000 < len(value) < 100_000
    assert fold.states["alder"].size == len(value)
    assert len(decode_account(value).people) == 5000


def test_a_new_account_takes_a_few_hundred_bytes() -> None:
    """Rings that never counted take none."""
    assert len(encode_account(bytes(16), AccountState(0, len(COMPONENTS)))) < 450
