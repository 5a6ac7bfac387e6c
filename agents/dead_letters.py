"""
Dead letters: what an input record that cannot be used becomes, and when there are too many of them.

A letter is the record as received, with where it came from and why it is here in its headers. What makes a record
unusable is decided in ``pipeline.intake``; writing the letter is ``intake``'s.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from agents.app import PRODUCER_MAX_BATCH_BYTES
from agents.lane.fences import Exit, stop
from agents.lane.writer import Headers, Record
from pipeline.intake.received import Accepted, Code, Rejected

LETTER_BYTES: Final = PRODUCER_MAX_BATCH_BYTES - 1_000
"""Most bytes of a letter's key, value and headers; the rest of a batch is for its framing."""

FLOOD_RECORDS: Final = 10_000
"""Of so many records in a row more than half unreadable is a flood."""

_HEADER_FRAMING: Final = 10
_UNREADABLE: Final[frozenset[Code]] = frozenset({"too_large", "decode", "unknown_schema", "schema_mismatch"})


def dead_letter(record: Any, verdict: Rejected) -> tuple[Record, Rejected]:
    """
    The letter for *record* (aiokafka's), and the verdict that it bears.

    A record too large for a letter leaves key, value and its own headers in the input topic, and its code is
    ``too_large`` whatever else it was: sent in again it would be another record. Its value is empty and not null, which
    would close an account.
    """
    headers = [*record.headers, *_reasons(record, verdict)]
    size = len(record.key or b"") + len(record.value or b"") + _size(headers)
    if size <= LETTER_BYTES:
        return (record.key, record.value, headers), verdict
    detail = f"{verdict.detail}; left out here, being {size} bytes with key and headers"
    verdict = replace(verdict, code="too_large", detail=detail)
    return (None, b"", _reasons(record, verdict)), verdict


class FloodGauge:
    """Ends the process when more than half of ``FLOOD_RECORDS`` records in a row cannot be read."""

    def __init__(self) -> None:
        self._records = self._unreadable = 0

    def count(self, verdicts: Sequence[Accepted | Rejected]) -> None:
        """Count what one poll became. What can be read, and is put aside for what it says, belongs to no flood."""
        self._records += len(verdicts)
        self._unreadable += sum(isinstance(v, Rejected) and v.code in _UNREADABLE for v in verdicts)
        if self._records < FLOOD_RECORDS:
            return
        if self._unreadable > self._records // 2:
            stop(Exit.POISON_FLOOD, f"{self._unreadable} of the last {self._records} records cannot be read")
        self._records = self._unreadable = 0


def _reasons(record: Any, verdict: Rejected) -> Headers:
    origin = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return [
        *((f"__connect.errors.{name}", str(value).encode()) for name, value in origin.items()),
        ("telltale-dlq-code", verdict.code.encode()),
        ("telltale-dlq-detail", verdict.detail.encode()),
    ]


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") + _HEADER_FRAMING for name, value in headers)
