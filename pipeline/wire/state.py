"""
Bytes of the state table: every value opens with its position, so positions compare as bytes.

The position says which prefix of the log the value is the fold of. The rest is msgpack: of an account
(``account_state``), of the partition's record, or of the scorecards in force.
"""

from struct import Struct
from typing import Final, NamedTuple

import msgpack

from pipeline.health.account import AccountState
from pipeline.health.fold import PartitionFold
from pipeline.health.partition import Counters, PartitionRecord
from pipeline.health.scorecard import ScorecardSet
from pipeline.health.scorecard_reading import Document, read_scorecards
from pipeline.wire.account_state import account_fields, account_of

PARTITION_RECORD = b"\0partition"
"""Key of the record that closes every state batch; no account id starts with a NUL."""

SCORECARDS_RECORD = b"\0scorecards"
"""Key of the scorecards in force, as last read from the log."""

STATE_VERSION: Final = 1
"""Rises with every change of what the values hold; a worker refuses what a newer one wrote."""

_POSITION = Struct(">IQI")
POSITION_SIZE = _POSITION.size


class NewerState(RuntimeError):  # noqa: N818 - reads as what it says
    """A value of the state table was written by a newer version of this program."""


class Position(NamedTuple):
    """Where a fold stands: epoch, the next offset of the log, and timers fired inside the entry at that offset."""

    epoch: int
    next_offset: int
    timers_fired: int


def pack_position(position: Position) -> bytes:
    """Sixteen bytes that sort as the positions do."""
    return _POSITION.pack(*position)


def unpack_position(value: bytes) -> Position:
    """Read the position a state value opens with."""
    return Position._make(_POSITION.unpack_from(value))


def position_of(fold: PartitionFold) -> bytes:
    """The position of everything the fold's present step changed."""
    return _POSITION.pack(fold.epoch, fold.next_offset, fold.timers_fired)


def encode_account(position: bytes, state: AccountState, _pack=msgpack.Packer().pack) -> bytes:
    """Value of an account; notes its size in ``state.size``, by which the fold cuts its steps."""
    value = position + _pack((STATE_VERSION, *account_fields(state)))
    state.size = len(value)
    return value


def decode_account(value: bytes) -> AccountState:
    """The account a value holds. Raises ``NewerState``."""
    state = account_of(_fields(value, "an account"))
    state.size = len(value)
    return state


def encode_record(fold: PartitionFold) -> bytes:
    """Value of the partition's record as the fold stands."""
    record = fold.record()
    counters = record.counters
    return position_of(fold) + msgpack.packb(
        (
            STATE_VERSION,
            record.clock,
            record.incarnation,
            record.cards_offset,
            record.accounts,
            [(source, partition, offset) for (source, partition), offset in record.marks.items()],
            (counters.events, counters.repeats, counters.duplicates, counters.late, counters.left_out),
        )
    )


def decode_record(value: bytes) -> PartitionRecord:
    """The partition's record a value holds. Raises ``NewerState``."""
    position = unpack_position(value)
    clock, incarnation, cards_offset, accounts, marks, counters = _fields(value, "the partition's record")
    return PartitionRecord(
        epoch=position.epoch,
        next_offset=position.next_offset,
        timers_fired=position.timers_fired,
        clock=clock,
        incarnation=incarnation,
        cards_offset=cards_offset,
        accounts=accounts,
        marks={(source, partition): offset for source, partition, offset in marks},
        counters=Counters(*counters),
    )


def encode_scorecards(fold: PartitionFold) -> bytes:
    """Value of the scorecards in force; an empty list while there are none."""
    documents = () if fold.scorecards is None else fold.scorecards.documents
    return position_of(fold) + msgpack.packb((STATE_VERSION, documents))


def decode_scorecards(value: bytes) -> ScorecardSet | None:
    """The scorecards a value holds. Raises ``NewerState``, or ``InvalidScorecards`` where this version cannot read them."""
    (documents,) = _fields(value, "the scorecards")
    if not documents:
        return None
    return read_scorecards(Document(f"document {number}", text) for number, text in enumerate(documents, 1))


def _fields(value: bytes, what: str) -> tuple:
    version, *fields = msgpack.unpackb(memoryview(value)[POSITION_SIZE:], use_list=False)
    if version > STATE_VERSION:
        raise NewerState(
            f"{what} in the state table has version {version}, this program reads {STATE_VERSION}: start the newer release again, "
            "or let an older one rebuild the state from the log with `telltale state rebuild`"
        )
    return fields
