"""
Entries of the account log, read by hand: fastavro takes twice as long.

    read = EntryReader(contract.newest(contract.log), RECORDS, money).read
    read(value)          # LogEntry; one of NOT_READ if fastavro has to look at it

The bytes are Avro's, as a test proves; ``log.py`` reads with fastavro whatever does not have the usual
form. Places are offsets into the value.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from pipeline.health.events import LogEntry, Login
from pipeline.wire.avro import FRAME_BYTES
from pipeline.wire.avro_schema import with_full_names
from pipeline.wire.contract import Schema

ReadField: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""The field at a place, and where the next one begins."""

# Avro writes 2³⁴ to 2⁴¹ ms, July 1970 to September 2039, as six bytes: seven bits each, the lowest first, the
# top bit of all but the last one set. The lowest bit of the number is its sign.
_MARKS: Final = 0x80_80_80_80_80_81
_MARKS_OF_SIX_BYTES: Final = 0x00_80_80_80_80_80


class NotUsual(Exception):  # noqa: N818 - a branch, not a fault
    """The entry does not have the form that is read by hand."""


NOT_READ: Final = (NotUsual, IndexError, UnicodeDecodeError, ArithmeticError)
"""What ``EntryReader.read`` raises where fastavro has to look."""


class EntryReader:
    """
    Reads entries written with *schema*, that of the log; *records* names the record of each body.

    *money* are the fields of a body that are texts in the log and amounts in an event. A body with a field of
    a type that is not read here is left to fastavro.
    """

    __slots__ = ("_bodies", "_login_index")

    def __init__(
        self,
        schema: Schema,
        records: Mapping[type[Any], str],
        money: Mapping[type[Any], tuple[str, ...]],
    ) -> None:
        union = next(field["type"] for field in with_full_names(schema)["fields"] if field["name"] == "body")
        classes = {name: body for body, name in records.items()}
        self._bodies: dict[int, tuple[type[Any], tuple[ReadField, ...]]] = {}
        for place, record in enumerate(union):
            body = classes[record["name"]]
            readers = [
                _reader(field["type"], is_money=field["name"] in money.get(body, ()))
                for field in record["fields"]
            ]
            if None not in readers:
                self._bodies[place << 1] = body, tuple(filter(None, readers))
        self._login_index = [record["name"] for record in union].index(records[Login]) << 1

    def read(self, value: bytes) -> LogEntry:
        """The entry in *value*; one of ``NOT_READ`` if fastavro has to look at it."""
        observed_at, at = _time_at(value, FRAME_BYTES)
        source, at = _text_at(value, at)
        partition, at = _long_at(value, at)
        offset, at = _long_at(value, at)
        index = value[at]
        body: Any
        if index == self._login_index:  # in one piece, for most entries are logins
            event_id, at = _text_at(value, at + 1)
            occurred_at, at = _time_at(value, at)
            length, at = _long_at(value, at)
            person = value[at : at + length]
            role, at = _text_at(value, at + length)
            channel, at = _text_at(value, at)
            if value[at]:
                feature, at = _text_at(value, at + 1)
            else:
                feature, at = None, at + 1
            # The role is a symbol, since only checked logins are written.
            body = Login(event_id, occurred_at, person, role, channel, feature)  # type: ignore[arg-type]
        elif index in self._bodies:
            kind, readers = self._bodies[index]
            at += 1
            fields = []
            for read in readers:
                field, at = read(value, at)
                fields.append(field)
            body = kind(*fields)
        else:
            raise NotUsual
        if at != len(value):
            raise NotUsual
        return LogEntry(observed_at, source, partition, offset, body)


def _reader(kind: Any, *, is_money: bool) -> ReadField | None:
    """How a field of *kind* is read; None if it is of a type that no event has."""
    if isinstance(kind, list):
        inner = _reader(kind[1], is_money=is_money)
        return None if kind[0] != "null" or len(kind) != 2 or inner is None else _optional(inner)
    if is_money:
        return _amount_at
    if isinstance(kind, dict):
        kind = kind.get("logicalType") or kind["type"]
    return _READERS.get(kind)


def _optional(read: ReadField) -> ReadField:
    def read_optional(value: bytes, at: int) -> tuple[Any, int]:
        return read(value, at + 1) if value[at] else (None, at + 1)

    return read_optional


def _time_at(value: bytes, at: int) -> tuple[int, int]:
    """The time at *at*, in its usual six bytes, and where the next field begins."""
    n = int.from_bytes(value[at : at + 6], "little")
    if n & _MARKS != _MARKS_OF_SIX_BYTES:
        raise NotUsual
    return (
        n & 0x7F
        | n >> 1 & 0x7F << 7
        | n >> 2 & 0x7F << 14
        | n >> 3 & 0x7F << 21
        | n >> 4 & 0x7F << 28
        | n >> 5 & 0x7F << 35
    ) >> 1, at + 6


def _long_at(value: bytes, at: int) -> tuple[int, int]:
    """The integer at *at*, and where the next field begins."""
    n = shift = 0
    while True:
        group = value[at]
        at += 1
        n |= (group & 0x7F) << shift
        if group < 0x80:
            return n >> 1 ^ -(n & 1), at
        shift += 7


def _text_at(value: bytes, at: int) -> tuple[str, int]:
    """The text at *at*, and where the next field begins."""
    length = value[at]
    if length < 0x80:  # up to 63 bytes, in one step
        at += 1
        end = at + (length >> 1)
    else:
        length, at = _long_at(value, at)
        end = at + length
    return value[at:end].decode(), end


def _bytes_at(value: bytes, at: int) -> tuple[bytes, int]:
    length, at = _long_at(value, at)
    return value[at : at + length], at + length


def _boolean_at(value: bytes, at: int) -> tuple[bool, int]:
    return value[at] == 1, at + 1


def _amount_at(value: bytes, at: int) -> tuple[Decimal, int]:
    text, at = _text_at(value, at)
    return Decimal(text), at


_READERS: Final[Mapping[str, ReadField]] = {
    "int": _long_at,
    "long": _long_at,
    "string": _text_at,
    "bytes": _bytes_at,
    "boolean": _boolean_at,
    "timestamp-millis": _time_at,
    "date": _long_at,
}
