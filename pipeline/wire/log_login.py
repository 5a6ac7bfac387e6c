"""
The login entry of the account log by hand: nine entries in ten are logins, and fastavro takes twice to three times
as long (7.1 against 3.5 µs to read, 7.6 against 2.6 to write).

The bytes are Avro's, which a test compares field by field; ``log.py`` reads and writes whatever does not have the
usual form. All positions are offsets into the value.
"""

from typing import Final

from pipeline.health.events import Login, LogEntry, Role
from pipeline.wire.avro import FRAME_BYTES

UNION_INDEX: Final = 1
"""Place of ``ResolvedLogin`` among the bodies of the log entry's schema."""

# Avro writes 2³⁴ to 2⁴¹ ms, July 1970 to September 2039, as six bytes: seven bits each, the lowest first, the top
# bit of all but the last one set.
_SIX_BYTES_FROM: Final = 1 << 34
_SIX_BYTES_UNTIL: Final = 1 << 41
_TOP_BITS: Final = 0x80_80_80_80_80_80
_TOP_BITS_OF_SIX: Final = 0x00_80_80_80_80_80

_ONE_BYTE: Final = tuple(bytes((length << 1,)) for length in range(64))
_INDEX: Final = _ONE_BYTE[UNION_INDEX]
_INDEX_BYTE: Final = _INDEX[0]


class NotUsual(Exception):  # noqa: N818  # a branch, not a fault
    """The entry does not have the form that is done by hand."""


def write(entry: LogEntry, login: Login, frame: bytes) -> bytes:
    """*entry*, whose body is *login*, as bytes after *frame*; ``NotUsual`` for odd times and long texts."""
    feature = login.feature
    return b"".join((
        frame,
        _time_bytes(entry.observed_at),
        _text_bytes(entry.source),
        _long_bytes(entry.partition),
        _long_bytes(entry.offset),
        _INDEX,
        _text_bytes(login.event_id),
        _time_bytes(login.occurred_at),
        _ONE_BYTE[len(login.person)],
        login.person,
        _text_bytes(login.role),
        _text_bytes(login.channel),
        b"\0" if feature is None else b"\2" + _text_bytes(feature),
    ))


def read(value: bytes) -> LogEntry:
    """The login entry in *value*, its frame not looked at; ``NotUsual`` or ``IndexError`` if it may be another."""
    observed_at = _time_at(value, FRAME_BYTES)
    source, at = _text_at(value, FRAME_BYTES + 6)
    partition, at = _long_at(value, at)
    offset, at = _long_at(value, at)
    if value[at] != _INDEX_BYTE:
        raise NotUsual
    event_id, at = _text_at(value, at + 1)
    occurred_at = _time_at(value, at)
    at += 6
    end = at + 1 + (value[at] >> 1)
    person = value[at + 1 : end]
    role, at = _text_at(value, end)
    channel, at = _text_at(value, at)
    feature = None
    if value[at]:
        feature, at = _text_at(value, at + 1)
    else:
        at += 1
    if at != len(value):
        raise NotUsual
    return LogEntry(observed_at, source, partition, offset, Login(event_id, occurred_at, person, role, channel, feature))
