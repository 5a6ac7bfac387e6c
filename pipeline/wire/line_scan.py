"""
When a line of events was observed and whose it is, found in its bytes at a fifth of the cost of reading the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is decided by
``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts. Lines whose bytes
leave room for doubt are not answered, and have to be read at once.
"""

import re
from typing import Final, NamedTuple

from pipeline.intake.directory import AccountDirectory
from pipeline.wire.json_fields import read_time


class Glance(NamedTuple):
    """*observed_at* in ms UTC; *account_id* as in the line's bytes, empty where no account is found."""

    observed_at: int
    account_id: bytes


class _Field:
    """Finds a field that is a text, a whole number or null."""

    __slots__ = ("_name", "_search")

    def __init__(self, name: str) -> None:
        self._name = f'"{name}"'.encode()
        self._search = re.compile(self._name + rb'\s*:\s*(?:"([^"]+)"|(\d+)\s*[,}]|null)').search

    def find(self, line: bytes) -> re.Match[bytes] | None:
        """The field in *line*, ``None`` if it is not there once, or is something else."""
        return self._search(line) if line.count(self._name) == 1 else None

    def is_in(self, line: bytes) -> bool:
        """Whether the name occurs in *line*."""
        return self._name in line


_OBSERVED_AT: Final = _Field("observed_at")
_OCCURRED_AT: Final = _Field("occurred_at")
_ACCOUNT_ID: Final = _Field("account_id")
_SOURCE: Final = _Field("source")
_PLACING: Final = (_Field("external_id"), _Field("email"))


class LineScan:
    """Looks at lines; events that do not name their account are placed by *directory*."""

    __slots__ = ("_directory",)

    def __init__(self, directory: AccountDirectory) -> None:
        self._directory = directory

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account of *line*; ``None`` if it has to be read to know them."""
        # Without escapes every quote opens or closes a text, and with one brace every name belongs to the event:
        # so a name that stands there once, before a colon, is that field.
        if b"\\" in line or line.count(b"{") != 1:
            return None
        time = (_OBSERVED_AT if _OBSERVED_AT.is_in(line) else _OCCURRED_AT).find(line)
        account = _ACCOUNT_ID.find(line)
        if time is None or account is None:
            return None
        account_id, number = account.groups()
        try:
            if account_id is None and number is None:
                account_id = self._placed(line)
            text, milliseconds = time.groups()
            observed_at = read_time(int(milliseconds) if text is None else text.decode())
        except (AttributeError, TypeError, ValueError):
            return None
        return None if account_id is None else Glance(observed_at, account_id)

    def _placed(self, line: bytes) -> bytes | None:
        source = _SOURCE.find(line)
