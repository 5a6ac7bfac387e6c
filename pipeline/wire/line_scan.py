"""
When a line of events was observed and whose it is, found in its bytes at a quarter of the cost of reading the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is decided by
``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts. Lines whose bytes
leave room for doubt get no answer and have to be read.
"""

import re
from typing import Final, NamedTuple

from pipeline.intake.directory import AccountDirectory
from pipeline.wire.json_fields import read_time


class Glance(NamedTuple):
    """*observed_at* in ms UTC; *account_id* in UTF-8, empty where no account is found."""

    observed_at: int
    account_id: bytes


class _Field:
    """Finds a field by the name and one of the *items* it may have, as patterns."""

    __slots__ = ("name", "search")

    def __init__(self, name: str, *items: bytes) -> None:
        self.name = f'"{name}"'.encode()
        self.search = re.compile(self.name + rb"\s*:\s*(?:" + b"|".join(items) + rb")\s*[,}]").search


_TEXT: Final = rb'"([^"]+)"'
_NUMBER: Final = rb"(\d+)"

_OBSERVED_AT: Final = _Field("observed_at", _TEXT, _NUMBER)
_OCCURRED_AT: Final = _Field("occurred_at", _TEXT, _NUMBER)
_ACCOUNT_ID: Final = _Field("account_id", _TEXT, b"null")
_PLACING: Final = (
    _Field("source", _TEXT),
    *(_Field(name, _TEXT, b"null") for name in ("external_id", "email")),
)


class LineScan:
    """Looks at lines; an event that does not name its account is placed by *directory*."""

    __slots__ = ("_directory",)

    def __init__(self, directory: AccountDirectory) -> None:
        self._directory = directory

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account of *line*; ``None`` if it has to be read to know them."""
        # Without escapes every quote opens or closes a text, and with one brace every name is a field of the event:
        # a name that stands there once and before a colon is the field.
        if b"\\" in line or line.count(b"{") != 1 or line.count(_ACCOUNT_ID.name) != 1:
            return None
        times = line.count(_OBSERVED_AT.name)
        clock = _OBSERVED_AT if times else _OCCURRED_AT
        time, account = clock.search(line), _ACCOUNT_ID.search(line)
        if time is None or account is None or (times or line.count(clock.name)) != 1:
            return None
        text, number = time.groups()
        try:
            observed_at = read_time(text.decode() if number is None else int(number))
            account_id = account[1] or self._placed(line)
        except ValueError:  # no time, or no UTF-8
            return None
        return None if account_id is None else Glance(observed_at, account_id)

    def _placed(self, line: bytes) -> bytes | None:
        """The account the directory finds for *line*."""
        given: list[str | None] = []
        for field in _PLACING:
            times = line.count(field.name)
            found = field.search(line) if times == 1 else None
            if found is None and times:
                return None
            given.append(None if found is None or found[1] is None else found[1].decode())
        source, external_id, email = given
        if source is None:
            return None
        account_id = self._directory.resolve(source, external_id, email)
        return account_id.encode() if isinstance(account_id, str) else b""
