"""What ``telltale dlq`` prints of letters: counts, what headers say, and the record itself for those who ask for it."""

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
    """What ``stats`` says of the letters of one input and code."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.times: list[int] = []

    def add(self, letter: DeadLetter) -> None:
        """Count one more."""
        self.states[letter.state] += 1
        at = letter.record.timestamp
        self.times = [min(at, *self.times), max(at, *self.times)] if self.times else [at, at]

    def row(self) -> dict[str, Any]:
        """Counts by state, and when the first and the last was put aside."""
        return {
            "letters": self.states.total(),
            "waiting": self.states["waiting"],
            "spent": self.states["spent"],
            "replays": self.states["replayed"],
            "dropped": self.states["dropped"],
            "oldest": moment(self.times[0]),
            "newest": moment(self.times[1]),
        }


def newest_of(letters: Iterator[DeadLetter], most: int, *, everything: bool) -> tuple[list[DeadLetter], int]:
    """The newest of *letters*, and how many there are; without *everything* only those that are open."""
    count = 0

    def counted() -> Iterator[DeadLetter]:
        nonlocal count
        for letter in letters:
            if everything or letter.state in OPEN:
                count += 1
                yield letter

    newest = heapq.nlargest(
        most, counted(), key=lambda letter: (letter.record.timestamp, letter.record.offset)
    )
    return newest, count


def letter_row(letter: DeadLetter) -> dict[str, Any]:
    """What is known of a letter but for the record's own text."""
    says, mark, record = letter.says, letter.mark, letter.record
    return {
        "letter": letter.name,
        "state": letter.state,
        "put_aside_at": moment(record.timestamp),
        "origin": _harmless(says.origin),
        "code": _harmless(says.code),
        "detail": _harmless(says.detail),
        "replays": says.replays,
        "value_bytes": len(record.value or b""),
        "by": _harmless(mark.by) if mark else None,
        "why": _harmless(mark.why) if mark else None,
    }


def revealing(contract: Contract, registry: Registry) -> Callable[[DeadLetter], dict[str, Any]]:
    """What gives the record of a letter: its event if that can be decoded, and its bytes if not."""
    decoder = InputDecoder(contract, registry)

    def revealed(letter: DeadLetter) -> dict[str, Any]:
        record = letter.record
        shown = {"key": _shown(record.key), "headers": {n: _shown(v) for n, v in record.headers}}
        event = decoder.decode(record._replace(topic=letter.input.name))
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
    """The lines of a letter: its name and state, then what else is known, by name."""
    yield f"{row['letter']}  {row['state']}"
    for name, value in row.items():
        match value:
            case _ if name in {"letter", "state"} or value is None:
                continue
            case datetime():
                shown = f"{value:%Y-%m-%d %H:%M:%S}"
            case Mapping():
                shown = _harmless(json_line(value))
            case _:
                shown = str(value)
        yield f"    {name.replace('_', ' ')}: {shown}"
