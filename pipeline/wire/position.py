"""
Where a value of the state table stands: every value opens with its position, so positions compare as bytes.

A position says which prefix of the log the value is the fold of. What stands behind it is ``state``'s; who
only compares values, as the lane does, needs no more than this.
"""

from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple

from pipeline.errors import TelltaleError

PARTITION_RECORD = b"\0partition"
"""Key of the record that closes every state batch; no account id starts with a NUL."""

SCORECARDS_RECORD = b"\0scorecards"
"""Key of the active scorecards, as last read from the log."""

EPOCH_MARK = b"\0epoch"
"""
Key of the value that begins an epoch, before any of its outputs is written; nothing but its position counts.
"""

_POSITION = Struct(">IQI")
POSITION_SIZE = _POSITION.size


class EpochUnfinished(TelltaleError):  # noqa: N818 - reads as what happened
    """A rebuild has begun an epoch of this partition and not closed it with a record yet."""


class Position(NamedTuple):
    """
    Where a fold stands: epoch, the next offset of the log, and timers fired inside the entry at that offset.
    """

    epoch: int
    next_offset: int
    timers_fired: int


def pack_position(position: Position) -> bytes:
    """Sixteen bytes that sort as the positions do."""
    return _POSITION.pack(*position)


def unpack_position(value: bytes) -> Position:
    """Read the position a state value opens with."""
    return Position._make(_POSITION.unpack_from(value))


def encode_epoch_mark(epoch: int) -> bytes:
    """Value of the mark that begins *epoch*."""
    return _POSITION.pack(epoch, 0, 0)


def take_epoch(partition: int, values: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """
    Those of a partition's *values* that belong to its newest epoch, without the mark that began it.

    A rebuild writes every account again, so what has an older epoch is of no account any more, or of a log
    that is gone. Raises ``EpochUnfinished`` if the newest epoch has no record: it was begun, and what is
    there of it is a part.
    """
    epochs = {key: unpack_position(value).epoch for key, value in values.items()}
    newest = max(epochs.values(), default=0)
    if EPOCH_MARK in values and epochs.get(PARTITION_RECORD) != newest:
        raise EpochUnfinished(f"partition {partition}: epoch {newest} has begun and is not complete")
    return {key: value for key, value in values.items() if epochs[key] == newest and key != EPOCH_MARK}
