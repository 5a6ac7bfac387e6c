"""
Dead letters: what an input record that cannot be used becomes, and when there are too many of them.

A dead letter is the record as received, with where it came from and why it is here in its headers. What makes
a record unusable is decided in ``pipeline.intake``; what the headers are called in
``pipeline.wire.dead_letters``; writing the dead letter is ``intake``'s, and bringing back what became usable
``dead_letter_returns``'.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from faust.types import TP

from agents.app import PRODUCER_MAX_BATCH_BYTES
from agents.lane.fences import Exit, stop
from agents.lane.writer import Headers, Record
from pipeline.intake.received import Accepted, Code, Rejected
from pipeline.wire.dead_letters import dead_letter_headers

DEAD_LETTER_BYTES: Final = PRODUCER_MAX_BATCH_BYTES - 1_000
"""Most bytes of a dead letter's key, value and headers; the rest of a batch is for its framing."""

FLOOD_IN_A_ROW: Final = 100
"""So many unreadable records of a partition one after the other are a flood."""

FLOOD_WINDOW: Final = 1_000
FLOOD_OF_WINDOW: Final = 100
"""So are more than ``FLOOD_OF_WINDOW`` among ``FLOOD_WINDOW``, a tenth of them."""

_HEADER_FRAMING: Final = 10
_UNREADABLE: Final[frozenset[Code]] = frozenset({"too_large", "decode", "unknown_schema", "schema_mismatch"})


def make_dead_letter(record: Any, verdict: Rejected) -> tuple[Record, Rejected]:
    """
    The dead letter for *record* (aiokafka's), and the verdict that it bears.

    A record too large for a dead letter leaves key, value and its own headers in the input topic, and its
    code is ``too_large`` whatever else it was: sent in again it would be another record. Its value is empty
    and not null, which would close an account.
    """
    headers = [*record.headers, *_reasons(record, verdict)]
    size = len(record.key or b"") + len(record.value or b"") + _size(headers)
    if size <= DEAD_LETTER_BYTES:
        return (record.key, record.value, headers), verdict
    detail = f"{verdict.detail}; left out here, being {size} bytes with key and headers"
    verdict = replace(verdict, code="too_large", detail=detail)
    return (None, b"", _reasons(record, verdict)), verdict


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Unreadable records of a partition: one after the other, and of the window that is not full yet."""

    in_a_row: int = 0
    records: int = 0
    unreadable: int = 0


class FloodGauge:
    """
    Ends the process when too much of an input partition cannot be read; what it counts is forgotten with the
    process.

    It is called before anything of a poll is written: the poll is neither dead-lettered nor committed, so a
    restart meets it again and stops again, and a supervisor that restarts cannot drain the topic into the
    dead letters.
    """

    def __init__(self) -> None:
        self._tallies: dict[TP, _Tally] = {}

    def count(self, tp: TP, records: Sequence[Any], verdicts: Sequence[Accepted | Rejected]) -> None:
        """
        Count what *records* of *tp*, one poll, became; *verdicts* in their order.

        What can be read, and is dead-lettered for what it says, belongs to no flood: a source whose accounts
        are not known yet sends thousands, and they come back.
        """
        tally = self._tallies.setdefault(tp, _Tally())
        unreadable = [isinstance(v, Rejected) and v.code in _UNREADABLE for v in verdicts]
        if not any(unreadable):  # nearly every poll
            tally.in_a_row = 0
            tally.records += len(verdicts)
        else:
            for record, is_unreadable in zip(records, unreadable, strict=True):
                self._add(tp, tally, record.offset, is_unreadable=is_unreadable)
        if tally.records >= FLOOD_WINDOW:
            tally.records = tally.unreadable = 0

    def _add(self, tp: TP, tally: _Tally, offset: int, *, is_unreadable: bool) -> None:
        if tally.records >= FLOOD_WINDOW:
            tally.records = tally.unreadable = 0
        tally.records += 1
        tally.unreadable += is_unreadable
        tally.in_a_row = tally.in_a_row + 1 if is_unreadable else 0
        says = ""
        if tally.in_a_row >= FLOOD_IN_A_ROW:
            says = f"{tally.in_a_row} records in a row cannot be read"
        elif tally.unreadable > FLOOD_OF_WINDOW:
            says = f"{tally.unreadable} of {tally.records} records cannot be read"
        if says:
            stop(Exit.POISON_FLOOD, f"{tp.topic}[{tp.partition}]: {says}, up to offset {offset}")


def _reasons(record: Any, verdict: Rejected) -> Headers:
    return dead_letter_headers(record.topic, record.partition, record.offset, verdict.code, verdict.detail)


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") + _HEADER_FRAMING for name, value in headers)
