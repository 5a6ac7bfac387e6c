"""
When a line of events was observed and whose it is, found in its bytes at less than half the cost of reading the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is decided by
``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts. Lines whose bytes
leave room for doubt get no answer and have to be read.
"""

import re
from functools import lru_cache
from typing import Final, TypeAlias

from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.json_fields import read_time
from pipeline.wire.ndjson import EventLines

Glance: TypeAlias = tuple[int, bytes]
"""``observed_at`` in ms UTC, and the account's id in UTF-8, empty where no account is found."""

_PEOPLE: Final = 50_000
"""How many people the scan remembers the account of: most events without one come from the same again and again."""


class _Doubt(ValueError):  # noqa: N818 - reads as what there is
    """A line that has to be read."""


class _Field:
    """One field of a line, by its name and the patterns of what it may hold."""

    __slots__ = ("_match", "name")

    def __init__(self, name: str, *patterns: bytes) -> None:
        self.name = f'"{name}"'.encode()
        held = b"|".join(patterns)
        self._match = re.compile(self.name + rb"\s*:\s*(?:" + held + rb")\s*[,}]").match

    def find(self, line: bytes) -> re.Match[bytes]:
        """The field, with a group for what each pattern has found; ``_Doubt`` unless it is there, and once."""
        place = line.find(self.name)
        found = self._match(line, place) if place >= 0 else None
        if found is None or line.rfind(self.name) != place:
            raise _Doubt
        return found


_TEXT: Final = rb'"([^"]+)"'
_NUMBER: Final = rb"(\d+)"
_NULL: Final = b"null"

_OBSERVED_AT: Final = _Field("observed_at", _TEXT, _NUMBER)
_OCCURRED_AT: Final = _Field("occurred_at", _TEXT, _NUMBER)
_ACCOUNT_ID: Final = _Field("account_id", _TEXT, _NULL)
_SOURCE: Final = _Field("source", _TEXT)
_EXTERNAL_ID: Final = _Field("external_id", _TEXT, _NULL)
_EMAIL: Final = _Field("email", _TEXT, _NULL)


class LineScan:
    """Looks at lines; an event that does not name its account is placed by *directory*, which is not to change."""

    __slots__ = ("_resolve",)

    def __init__(self, directory: AccountDirectory) -> None:
        self._resolve = lru_cache(_PEOPLE)(directory.resolve)

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account of *line*; ``None`` if it has to be read to know them."""
        account_id = self.whose(line)
        if account_id is None:
            return None
        try:
            clock = _OBSERVED_AT if _OBSERVED_AT.name in line else _OCCURRED_AT
            text, number = clock.find(line).groups()
            observed_at = read_time(text.decode() if number is None else int(number))
        except ValueError:  # a doubt, or no time
            return None
        return observed_at, account_id

    def whose(self, line: bytes) -> bytes | None:
        """Account of *line*, empty where none is found; ``None`` if it has to be read to know it."""
        # Without escapes every quote opens or closes a text, and with one brace, the first byte, every name is a
        # field of the event: so a name that stands there once, before a colon, is the field.
        if line.rfind(b"{") or b"\\" in line:
            return None
        try:
            return _ACCOUNT_ID.find(line)[1] or self._placed(line)
        except ValueError:  # a doubt, or no UTF-8
            return None

    def _placed(self, line: bytes) -> bytes:
        """The account that the directory finds for *line*."""
        source = _SOURCE.find(line)[1].decode()
        external_id, email = (
            found.decode() if field.name in line and (found := field.find(line)[1]) else None
            for field in (_EXTERNAL_ID, _EMAIL)
        )
        account_id = self._resolve(source, external_id, email)
        return account_id.encode() if isinstance(account_id, str) else b""


class LineFacts:
    """When a line was observed and whose it is: at a glance where that will do, else by reading the line."""

    __slots__ = ("_account_of", "_read", "_scan")

    def __init__(self, directory: AccountDirectory, *, contract: Contract, pseudonyms: Pseudonyms) -> None:
        self._scan = LineScan(directory)
        self._read = EventLines(contract).read
        self._account_of = Intake(directory=directory, pseudonyms=pseudonyms).account_of

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account; ``None`` if the line cannot be read."""
        return self._scan.look_at(line) or self._read_closely(line)

    def whose(self, line: bytes) -> bytes:
        """The account's id in UTF-8; empty where none is found, or the line cannot be read."""
        account_id = self._scan.whose(line)
        if account_id is None:
            read = self._read_closely(line)
            account_id = b"" if read is None else read[1]
        return account_id

    def _read_closely(self, line: bytes) -> Glance | None:
        received = self._read(line)
        if isinstance(received, Rejected):
            return None
        account_id = self._account_of(received, received.timestamp)
        return received.timestamp, account_id.encode() if isinstance(account_id, str) else b""
