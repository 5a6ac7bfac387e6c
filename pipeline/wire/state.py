"""
Bytes of the state table: every value opens with its position, so positions compare as bytes.

The position says which prefix of the log the value is the fold of; the rest is the account's own codec.
"""

from struct import Struct
from typing import NamedTuple

PARTITION_RECORD = b"\0partition"
"""Key of the record that closes every state batch; no account id starts with a NUL."""

SCORECARDS_RECORD = b"\0scorecards"
"""Key of the scorecards in force, as last read from the log."""

_POSITION = Struct(">IQI")
POSITION_SIZE = _POSITION.size


class Position(NamedTuple):
    """Where a fold stands: epoch, the next offset of the log, and timers fired inside the tick at that offset."""

    epoch: int
    next_offset: int
    timers_fired: int


def pack_position(position: Position) -> bytes:
    """Sixteen bytes that sort as the positions do."""
    return _POSITION.pack(*position)


def unpack_position(value: bytes) -> Position:
    """Read the position a state value opens with."""
    return Position._make(_POSITION.unpack_from(value))
