"""
When a line of events was observed and whose it is, at less cost than reading and judging the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is decided by
``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts. What does not have the
usual form gets no answer and has to be read.
"""

from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.json_fields import WrongField, read_time
from pipeline.wire.ndjson import EventLines

Glance: TypeAlias = tuple[int, bytes]
"""``observed_at`` in ms UTC, and the account's id in UTF-8, empty where no account is found."""

_PEOPLE: Final = 50_000
"""How many people the scan remembers the account of: most events without one come from the same again and again."""


class LineScan:
    """Looks at lines; an event that does not name its account is placed by *directory*, which is not to change."""

    __slots__ = ("_parse", "_resolve")

    def __init__(self, directory: AccountDirectory) -> None:
        self._parse = msgspec.json.Decoder().decode
        self._resolve = lru_cache(_PEOPLE)(directory.resolve)

    def look_at(self, line: bytes) -> Glance | None:
        """Time and account of *line*; ``None`` if it has to be read to know them."""
        fields = self._fields(line)
        account_id = self._account_of(fields)
        if account_id is None:
            return None
        observed_at = fields.get("observed_at")
        try:
            return read_time(fields.get("occurred_at") if observed_at is None else observed_at), account_id
        except WrongField:
            return None

    def whose(self, line: bytes) -> bytes | None:
        """Account of *line*, empty where none is found; ``None`` if it has to be read to know it."""
        return self._account_of(self._fields(line))

    def _fields(self, line: bytes) -> dict[str, Any]:
        """What *line* has; nothing if it is no object."""
        try:
            fields = self._parse(line)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return {}
        return fields if isinstance(fields, dict) else {}

    def _account_of(self, fields: dict[str, Any]) -> bytes | None:
        account_id = fields.get("account_id")
        if account_id is None:
            source, external_id, email = (fields.get(name) for name in ("source", "external_id", "email"))
            if not isinstance(source, str) or not all(
                part is None or isinstance(part, str) for part in (external_id, email)
            ):
                return None
            found = self._resolve(source, external_id, email)
            return found.encode() if isinstance(found, str) else b""
        return account_id.encode() if isinstance(account_id, str) else None


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
