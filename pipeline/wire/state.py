"""
Bytes of the state table: a position (``position``), and behind it msgpack.

That is of an account (``account_state``), of the partition's record, or of the active scorecards. It opens
with a version: what an older program wrote is brought up to date when it is read, what a newer one wrote is
refused.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from msgspec import msgpack

from pipeline.errors import TelltaleError
from pipeline.health.account import AccountState
from pipeline.health.fold import PartitionFold
from pipeline.health.partition import Counters, PartitionRecord
from pipeline.health.scorecard import ReadScorecards, ScorecardSet
from pipeline.wire.account_state import account_fields, account_of, account_of_1, account_of_2
from pipeline.wire.position import POSITION_SIZE, Position, pack_position, unpack_position
from pipeline.wire.state_fields import START_NEWER, Field, FieldList, NewerState

STATE_VERSION: Final = 3
"""Rises with every change of what the values hold; a worker refuses what a newer one wrote."""

Kind: TypeAlias = Literal["account", "record", "scorecards"]
"""What a value is of; one version counts for all three."""

Fields: TypeAlias = list[Any]
"""A value behind its position and its version."""

UPCASTERS: Final[dict[int, dict[Kind, Callable[[Fields], Fields]]]] = {
    1: {"account": account_of_1},
    2: {"account": account_of_2},
}
"""
For every version before ``STATE_VERSION``, what made the next one of it: fields in, fields out.

A kind that is not named has not changed in that step. Bytes of every version are kept in
``tests/golden/states``.
"""

_REBUILD = "recreate it from the log with `telltale rebuild`"
_pack: Final = msgpack.Encoder().encode
_unpack: Final = msgpack.Decoder().decode


class StatesDiffer(TelltaleError):  # noqa: N818 - reads as what happened
    """The states of a partition are not those its record closed."""


_COUNTERS: Final = FieldList[Counters](
    Field("events"),
    Field("repeats"),
    Field("duplicates"),
    Field("late"),
    Field("left_out"),
    Field("evicted", default=0),
)
_RECORD: Final = FieldList[PartitionRecord](
    Field("watermark"),
    Field("topic_id"),
    Field("cards_offset"),
    Field("accounts"),
    Field(
        "source_offsets",
        write=lambda source_offsets: [(*source, offset) for source, offset in source_offsets.items()],
        read=lambda plain: {(source, partition): offset for source, partition, offset in plain},
    ),
    Field("counters", _COUNTERS.plain, lambda plain: Counters(*_COUNTERS.values(plain))),
)


def position_of(fold: PartitionFold) -> bytes:
    """The position of everything the fold's present step changed."""
    return pack_position(Position(fold.epoch, fold.next_offset, fold.timers_fired))


def encode_account(position: bytes, state: AccountState) -> bytes:
    """Value of an account; notes its length in ``state.size``, by which the fold cuts its steps."""
    value = position + _pack([STATE_VERSION, *account_fields(state)])
    state.size = len(value)
    return value


def decode_account(value: bytes) -> AccountState:
    """The account a value holds. Raises ``NewerState``."""
    state = account_of(_fields(value, "account"))
    state.size = len(value)
    return state


def encode_record(record: PartitionRecord) -> bytes:
    """Value of the partition's record."""
    position = pack_position(Position(record.epoch, record.next_offset, record.timers_fired))
    return position + _pack([STATE_VERSION, *_RECORD.plain(record)])


def decode_record(value: bytes) -> PartitionRecord:
    """The partition's record a value holds. Raises ``NewerState``."""
    position = unpack_position(value)
    fields = _RECORD.values(_fields(value, "record"))
    return PartitionRecord(**position._asdict(), **dict(zip(_RECORD.names, fields, strict=True)))


def encode_scorecards(position: bytes, scorecards: ScorecardSet) -> bytes:
    """Value of the active scorecards."""
    return position + _pack((STATE_VERSION, scorecards.documents))


def decode_scorecards(value: bytes) -> tuple[str, ...]:
    """Documents of the scorecards a value holds. Raises ``NewerState``."""
    (documents,) = _fields(value, "scorecards")
    return tuple(documents)


def decode_fold(
    partition: int,
    record: bytes,
    states: Mapping[bytes, bytes],
    scorecards: bytes | None,
    read_scorecards: ReadScorecards,
) -> PartitionFold:
    """
    The fold of a partition from its values; *states* are those of its accounts, by their keys.

    Raises ``StatesDiffer`` where they are not those the record closed, ``NewerState``, and what
    *read_scorecards* raises.
    """
    known = decode_record(record)
    if len(states) != known.accounts:
        raise StatesDiffer(
            f"partition {partition}: the record counts {known.accounts} accounts, the state table holds {len(states)}: "
            f"{_REBUILD}"
        )
    if scorecards is None and known.cards_offset >= 0:
        raise StatesDiffer(f"partition {partition}: the active scorecards are missing: {_REBUILD}")
    return PartitionFold.restored(
        partition,
        read_scorecards,
        known,
        {key.decode(): decode_account(value) for key, value in states.items()},
        None if scorecards is None else read_scorecards(decode_scorecards(scorecards)),
    )


def _fields(value: bytes, kind: Kind) -> Fields:
    version, *fields = _unpack(memoryview(value)[POSITION_SIZE:])
    return fields if version == STATE_VERSION else _brought_up(fields, version, kind)


def _brought_up(fields: Fields, version: int, kind: Kind) -> Fields:
    """*fields* of an older *version* as this one has them. Raises ``NewerState``."""
    if version > STATE_VERSION:
        raise NewerState(
            f"the state table has a value ({kind}) of version {version}, this program reads up to"
            f" {STATE_VERSION}: {START_NEWER}"
        )
    for older in range(version, STATE_VERSION):
        upcast = UPCASTERS[older].get(kind)
        if upcast is not None:
            fields = upcast(fields)
    return fields
