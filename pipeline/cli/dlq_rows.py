"""
What ``telltale dlq`` prints of dead letters: counts, what headers say, and the record itself for those who
ask for it.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pipeline.intake.received import Received
from pipeline.ops.dead_letter_reader import OPEN, DeadLetter
from pipeline.ops.text_rows import json_line, moment
from pipeline.wire.contract import Contract
from pipeline.wire.inputs import InputDecoder
from pipeline.wire.registry import Registry


class Counted:
    """What ``stats`` says of the dead letters of one input and code."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.times: list[int] = []

    def add(self, dead_letter: DeadLetter) -> None:
        """Count one more."""
        self.states[dead_letter.state] += 1
        at = dead_letter.record.timestamp
        self.times = [min(at, *self.times), max(at, *self.times)] if self.times else [at, at]

    def row(self) -> dict[str, Any]:
        """Counts by state, and when the first and the last was dead-lettered."""
        return {
            "dead_letters": self.states.total(),
            "pending": self.states["pending"],
            "exhausted": self.states["exhausted"],
            "replays": self.states["replayed"],
            "dropped": self.states["dropped"],
            "oldest": moment(self.times[0]),
            "newest": moment(self.times[1]),
        }


def newest_of(
    dead_letters: Iterator[DeadLetter], most: int, *, everything: bool
) -> tuple[list[DeadLetter], int]:
    """The newest of *dead_letters*, and how many there are; without *everything* only those that are open."""
    count = 0

    def counted() -> Iterator[DeadLetter]:
        nonlocal count
        for dead_letter in dead_letters:
            if everything or dead_letter.state in OPEN:
                count += 1
                yield dead_letter

    newest = heapq.nlargest(
        most, counted(), key=lambda dead_letter: (dead_letter.record.timestamp, dead_letter.record.offset)
    )
    return newest, count


def dead_letter_row(dead_letter: DeadLetter) -> dict[str, Any]:
    """What is known of a dead letter but for the record's own text."""
    says, marker, record = dead_letter.says, dead_letter.marker, dead_letter.record
    return {
        "dead_letter": dead_letter.name,
        "state": dead_letter.state,
        "dead_lettered_at": moment(record.timestamp),
        "origin": _harmless(says.origin),
        "code": _harmless(says.code),
        "detail": _harmless(says.detail),
        "replays": says.replays,
        "value_bytes": len(record.value or b""),
        "by": _harmless(marker.by) if marker else None,
        "why": _harmless(marker.why) if marker else None,
    }


def revealing(contract: Contract, registry: Registry) -> Callable[[DeadLetter], dict[str, Any]]:
    """What gives the record of a dead letter: its event if that can be decoded, and its bytes if not."""
    decoder = InputDecoder(contract, registry)

    def revealed(dead_letter: DeadLetter) -> dict[str, Any]:
        record = dead_letter.record
        shown = {"key": _shown(record.key), "headers": {n: _shown(v) for n, v in record.headers}}
        event = decoder.decode(record._replace(topic=dead_letter.input.name))
        if isinstance(event, Received) and event.value is not None:
            return shown | {"event": event.value}
        return shown | {"value": _shown(record.value)}

    return revealed


def _shown(data: bytes | None) -> str:
    return "null" if data is None else _harmless(data.decode(errors="backslashreplace"))


def _harmless(text: str) -> str:
    """*text* as it may go to a terminal: anybody may have written it, and control characters command one."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def told(row: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a dead letter: its name and state, then what else is known, by name."""
    yield f"{row['dead_letter']}  {row['state']}"
    for name, value in row.items():
        match value:
            case _ if name in {"dead_letter", "state"} or value is None:
                continue
            case datetime():
                shown = f"{value:%Y-%m-%d %H:%M:%S}"
            case Mapping():
                shown = _harmless(json_line(value))
            case _:
                shown = str(value)
        yield f"    {name.replace('_', ' ')}: {shown}"
