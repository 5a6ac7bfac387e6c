"""
The examples of the outputs: a story around the examples of the inputs, told to the intake and the fold.

Acme Robotics uses the product on weekdays, reports a P1 that stays open beyond its SLA, answers a survey
badly, pays late, goes dark and comes back. Globex has given notice and leaves. The examples are the first of
each kind that the fold hands out.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.health.events import NO_EVENT, LogEntry
from pipeline.health.outputs import AlertEvent, HealthChange, HealthSnapshot
from pipeline.health.replay import fold_all, with_scorecards
from pipeline.health.versions import Output
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.contract import Topic
from pipeline.wire.history import open_history
from pipeline.wire.outputs import OutputDecoder, OutputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from tests.contract.contract_examples import CONTRACT, as_example, event_type, examples

Line = dict[str, Any]

FIRST_LOGIN = datetime(2026, 1, 12, 12, tzinfo=UTC)
LAST_LOGIN = datetime(2026, 3, 6, 18, tzinfo=UTC)
BACK = datetime(2026, 3, 17, 9, 30, tzinfo=UTC)
END = datetime(2026, 6, 2, tzinfo=UTC)
PEOPLE = 40

_SOURCES = {"ticket": "support-ticket"}
"""Sources that an event's class names otherwise: ids are remembered by its name."""


def outputs_of_the_story(folder: Path) -> dict[Topic, list[Line]]:
    """
    Examples by topic, as their files have them, in the order of the log; *folder* takes the story as a file.
    """
    registry = EmbeddedRegistry(CONTRACT)
    encoder, decoder = OutputEncoder(CONTRACT, registry), OutputDecoder(CONTRACT, registry)
    found: dict[Topic, dict[object, Line]] = {topic: {} for topic in CONTRACT.outputs}
    for _, output in _fold(folder):
        name, payload = encoder.encode(output)
        topic = CONTRACT.topic(name)
        if (kind := _kind(output)) not in found[topic]:
            found[topic][kind] = as_example(CONTRACT.newest(topic), decoder.decode(name, payload))
    return {topic: list(kept.values()) for topic, kept in found.items()}


def _kind(output: Output) -> object:
    match output:
        case HealthChange():
            return output.kind
        case AlertEvent():
            return output.account_id, output.sign, output.transition
        case HealthSnapshot(score=None):
            return "unknown"
        case HealthSnapshot():
            return bool(output.open_alerts), output.override is not None, output.forced_by is not None


def _fold(folder: Path) -> Iterator[tuple[str, Output]]:
    file = folder / "story.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in _story()))
    history = open_history(
        [file], contract=CONTRACT, pseudonyms=Pseudonyms(b"an example is no secret: 32 byte")
    )
    entries = _as_received(history.entries(until=round(END.timestamp() * 1000)))
    return fold_all(with_scorecards(entries, load_scorecards().documents), read_documents)


def _as_received(entries: Iterator[tuple[str, LogEntry]]) -> Iterator[tuple[str, LogEntry]]:
    """The history as if each event had come through its topic."""
    for account_id, entry in entries:
        if not isinstance(entry.body, NO_EVENT):
            source = _SOURCES.get(entry.body.input, entry.body.input)
            entry = LogEntry(entry.observed_at, source, 0, entry.offset, entry.body)  # noqa: PLW2901
        yield account_id, entry


def _story() -> list[Line]:
    """The input examples, the weekdays around them, and how it went on."""
    lines = [
        {"type": event_type(topic)} | example
        for topic in CONTRACT.inputs
        for example in (examples(topic)[-1:] if topic.source == "action" else examples(topic))
    ]
    solved = _example("support-ticket") | {
        "event_id": "zendesk-audit-99121450",
        "occurred_at": "2026-03-04T12:05:00.000Z",
        "step": "SOLVED",
    }
    paid = _example("invoice") | {
        "event_id": "evt_1Ow7d3",
        "occurred_at": "2026-03-19T09:00:00.000Z",
        "step": "PAID",
    }
    return [*lines, *_logins(), solved, paid]


def _logins() -> Iterator[Line]:
    chance = random.Random(1)
    day = FIRST_LOGIN
    while day <= LAST_LOGIN:
        if day.weekday() < 5:
            for who in chance.sample(range(PEOPLE), PEOPLE - 8):
                yield _login(who, day + timedelta(minutes=chance.randrange(300)))
        day += timedelta(days=1)
    yield _login(0, BACK)


def _login(who: int, at: datetime) -> Line:
    return _example("login") | {
        "event_id": f"login-{at:%m%d}-{who}",
        "occurred_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "email": f"user-{who}@acme-robotics.example",
        "user_id": f"u-{who}",
        "role": "USER",
    }


def _example(source: str) -> Line:
    topic = CONTRACT.input(source)
    return {"type": event_type(topic)} | examples(topic)[0]
