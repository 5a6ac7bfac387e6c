"""
What a record of a dead-letter topic says: a dead letter, or a marker that a dead letter is done with.

A dead letter is an input record as received, with where it came from and why it is here in its headers. A
marker follows it in the same partition and says that it was sent to its input again, or dropped. Nothing is
ever taken out of the topic but by its retention, so a dead letter waits as long as no marker names its
offset. Who writes dead letters is ``agents``, who writes markers is ``agents`` and ``telltale dlq``; both
write a marker only when what it says has been acknowledged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from pipeline.health.seen_ids import SEEN_IDS

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
Done: TypeAlias = Literal["replayed", "dropped"]

MOST_REPLAYS: Final = 3
"""How often a record is sent to its input again; what comes back once more stays for somebody to look at."""

MOST_UNMARKED: Final = 100
"""
Dead letters sent again before their markers are written: a crash in between repeats them, and an account
knows its last ids.
"""
assert MOST_UNMARKED < SEEN_IDS

_ORIGIN: Final = ("__connect.errors.topic", "__connect.errors.partition", "__connect.errors.offset")
_CODE: Final = "telltale-dlq-code"
_DETAIL: Final = "telltale-dlq-detail"
_REPLAYS: Final = "telltale-dlq-replays"
_DONE: Final = "telltale-dlq-done"
_OFFSET: Final = "telltale-dlq-offset"
_BY: Final = "telltale-dlq-by"
_WHY: Final = "telltale-dlq-why"
_NOT_THE_SENDERS: Final = ("__connect.errors.", "telltale-dlq-")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterHeaders:
    """
    What a dead letter's headers say.

    *code* is one of ``CODES``, *detail* a sentence without text of the record, *origin* where the record was
    read (``topic[partition]@offset``), *replays* how often it had been sent again before it came here.
    """

    code: str
    detail: str
    origin: str
    replays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMarker:
    """The dead letter at *offset* of the marker's own partition is *done* with: who says so, and why."""

    offset: int
    done: Done
    by: str
    why: str

    def headers(self) -> list[tuple[str, bytes]]:
        """The marker as a record's headers; its key is null and its value empty."""
        says = {_DONE: self.done, _OFFSET: str(self.offset), _BY: self.by, _WHY: self.why}
        return [(name, text.encode()) for name, text in says.items()]


def read(headers: Headers) -> DeadLetterHeaders | ReplayMarker:
    """
    What a record with these *headers* is; one without any of ours, which a stranger wrote, is a dead letter
    without a code.

    A sender can put what it likes into the headers of its record. Ours stand behind them and are the ones
    that count, and what bears a code is a dead letter: no input record can pass for a marker. The replays
    alone are counted by the record, which carries them from its last dead letter: a sender that makes a
    number up keeps its own record from being sent again.
    """
    ours = {name: (value or b"").decode(errors="replace") for name, value in headers}
    if _DONE in ours and _CODE not in ours:
        return ReplayMarker(
            offset=_number(ours.get(_OFFSET, ""), -1),
            done="dropped" if ours[_DONE] == "dropped" else "replayed",
            by=ours.get(_BY, ""),
            why=ours.get(_WHY, ""),
        )
    topic, partition, offset = (ours.get(name, "?") for name in _ORIGIN)
    return DeadLetterHeaders(
        code=ours.get(_CODE, ""),
        detail=ours.get(_DETAIL, ""),
        origin=f"{topic}[{partition}]@{offset}",
        replays=_number(ours.get(_REPLAYS, ""), 0),
    )


def dead_letter_headers(
    topic: str, partition: int, offset: int, code: str, detail: str
) -> list[tuple[str, bytes]]:
    """What a dead letter bears behind the headers of its record."""
    says = dict(zip((*_ORIGIN, _CODE, _DETAIL), (topic, partition, offset, code, detail), strict=True))
    return [(name, str(value).encode()) for name, value in says.items()]


def headers_again(headers: Headers) -> list[tuple[str, bytes | None]]:
    """
    The headers with which a dead letter is sent to its input again: its sender's, and how often it has been
    sent so.
    """
    dead_letter = read(headers)
    assert isinstance(dead_letter, DeadLetterHeaders), "markers are not sent anywhere"
    senders = [header for header in headers if not header[0].startswith(_NOT_THE_SENDERS)]
    return [*senders, (_REPLAYS, str(dead_letter.replays + 1).encode())]


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else otherwise
