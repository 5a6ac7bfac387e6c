"""
When a line of events was observed and whose it is, at less cost than reading and judging the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is decided by
``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts. What does not have the
usual form gets no answer and has to be read.
"""

from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

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


class _Line(msgspec.Struct, gc=False):
    """What a line has to have to be placed at a glance; the parser skips the rest, in half the time of a whole line."""

    observed_at: str | int | None = None
    occurred_at: str | int | None = None
    account_id: str | None = None
    source: str | None = None
    external_id: str | None = None
    email: str | None = None


class LineScan:
    """Looks at lines; an event that does not name its account is placed by *directory*, which is not to change."""

    __slots__ = ("_parse", "_resolve")

    def __init__(self, directory: AccountDirectory) -> None:
        self._parse = msgspec.json.Decoder(_Line).decode
        self._resolve = lru_cache(_PEOPLE)(directory.resolve)

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account of *line*; ``None`` if it has to be read to know them."""
        try:
            seen = self._parse(line)
            observed_at = read_time(seen.occurred_at if seen.observed_at is None else seen.observed_at)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        account_id = self._account_of(seen)
        return None if account_id is None else (observed_at, account_id)

    def whose(self, line: bytes) -> bytes | None:
        """Account of *line*, empty where none is found; ``None`` if it has to be read to know it."""
        try:
            seen = self._parse(line)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return self._account_of(seen)

    def _account_of(self, seen: _Line) -> bytes | None:
        if seen.account_id is not None:
            return seen.account_id.encode()
        if seen.source is None:
            return None
        found = self._resolve(seen.source, seen.external_id, seen.email)
        return found.encode() if isinstance(found, str) else b""


class LineFacts:
    """When a line was observed and whose it is: at a glance where that will do, else by reading and judging the line."""

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
