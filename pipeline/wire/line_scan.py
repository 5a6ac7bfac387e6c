"""
When a line of events was observed and whose it is, found in its bytes at a quarter of the cost of reading the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is decided by
``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts. Lines whose bytes
leave room for doubt get no answer and have to be read.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from pipeline.intake.directory import AccountDirectory
from pipeline.wire.json_fields import read_time

Glance: TypeAlias = tuple[int, bytes]
"""``observed_at`` in ms UTC, and the account's id in UTF-8, empty where no account is found."""


class _Field(NamedTuple):
    """A field's name as it stands in a line, and what finds its value: one group for each of the *items*."""

    name: bytes
    search: Callable[[bytes], re.Match[bytes] | None]


def _field(name: str, *items: bytes) -> _Field:
    quoted = f'"{name}"'.encode()
    return _Field(quoted, re.compile(quoted + rb"\s*:\s*(?:" + b"|".join(items) + rb")\s*[,}]").search)


_TEXT: Final = rb'"([^"]+)"'
_NUMBER: Final = rb"(\d+)"

_OBSERVED_AT, _observed_at = _field("observed_at", _TEXT, _NUMBER)
_OCCURRED_AT, _occurred_at = _field("occurred_at", _TEXT, _NUMBER)
_ACCOUNT_ID, _account_id = _field("account_id", _TEXT, b"null")
_PLACING: Final = (
    _field("source", _TEXT),
    _field("external_id", _TEXT, b"null"),
    _field("email", _TEXT, b"null"),
)


class LineScan:
    """Looks at lines; an event that does not name its account is placed by *directory*."""

    __slots__ = ("_resolve",)

    def __init__(self, directory: AccountDirectory) -> None:
        self._resolve = directory.resolve

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account of *line*; ``None`` if it has to be read to know them."""
        # Without escapes every quote opens or closes a text, and with one brace, the first byte, every name is a
        # field of the event: so a name that stands there once, before a colon, is the field.
        if line.rfind(b"{") or b"\\" in line or line.count(_ACCOUNT_ID) != 1:
            return None
        if times := line.count(_OBSERVED_AT):
            time = _observed_at(line)
        else:
            times, time = line.count(_OCCURRED_AT), _occurred_at(line)
        account = _account_id(line)
        if times != 1 or time is None or account is None:
            return None
        text, number = time.groups()
        try:
            observed_at = read_time(text.decode() if number is None else int(number))
            account_id = account[1] or self._placed(line)
        except ValueError:  # no time, or no UTF-8
            return None
        return None if account_id is None else (observed_at, account_id)

    def _placed(self, line: bytes) -> bytes | None:
        """The account that the directory finds for *line*."""
        given: list[str | None] = []
        for name, search in _PLACING:
            times = line.count(name)
            found = search(line) if times == 1 else None
            if found is None and times:
                return None
            given.append(None if found is None or not found[1] else found[1].decode())
        source, external_id, email = given
        if source is None:
            return None
        account_id = self._resolve(source, external_id, email)
        return account_id.encode() if isinstance(account_id, str) else b""
