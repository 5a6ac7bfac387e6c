"""
When a line of events was observed and whose it is, at less cost than reading and judging the line.

That is enough to put the lines of a history in order and to share them out. Whether a line is right is
decided by ``ndjson.py`` and the intake, who read it later: of a line that is wrong nothing said here counts.
What does not have the usual form gets no answer and has to be read to know.
"""

from functools import lru_cache
from typing import Final, TypeAlias

import msgspec

from pipeline.intake.checks import EARLIEST, LATEST
from pipeline.intake.directory import AccountDirectory
from pipeline.wire.json_fields import read_time

Glance: TypeAlias = tuple[int, bytes]
"""``observed_at`` in ms UTC, and the account's id in UTF-8, empty where no account is found."""

_PEOPLE: Final = 50_000
"""
How many people the scan remembers the account of: most events without one come from the same again and again.
"""


class _Line(msgspec.Struct, gc=False):
    """
    What a line has to have to be placed at a glance; the parser skips the rest, in half the time of a whole
    line.
    """

    observed_at: str | int | None = None
    occurred_at: str | int | None = None
    account_id: str | None = None
    source: str | None = None
    external_id: str | None = None
    email: str | None = None


class LineScan:
    """
    Looks at lines; an event that does not name its account is placed by *directory*, which is not to change.
    """

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
        if not EARLIEST <= observed_at < LATEST:
            return None
        if seen.account_id is not None:
            return observed_at, seen.account_id.encode()
        if seen.source is None:
            return None
        found = self._resolve(seen.source, seen.external_id, seen.email)
        return observed_at, found.encode() if isinstance(found, str) else b""
