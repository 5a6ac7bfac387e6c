"""
The examples in ``schemas/examples``: times and dates as ISO 8601, money as text, bytes as hexadecimal digits.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.intake.event_types import BY_SOURCE
from pipeline.wire.contract import Contract, Schema, Topic

SCHEMAS = Path(__file__).parents[2] / "schemas"
CONTRACT = Contract.load(folder=SCHEMAS)
TOPICS = [topic for topic in CONTRACT.topics.values() if topic.schema is not None]
"""Every topic that has a schema; dead letters have none."""

Leaf = Callable[[str, Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def examples(topic: Topic) -> list[dict[str, Any]]:
    """The examples of *topic*'s record, as the file has them."""
    found: list[dict[str, Any]] = json.loads((SCHEMAS / "examples" / f"{topic.schema}.json").read_text())
    return found


def event_type(topic: Topic) -> str:
    """The type that an event of the input *topic* has as a line of NDJSON."""
    assert topic.source is not None, f"{topic.name} is no input"
    return BY_SOURCE[topic.source].name


def pairs() -> list[tuple[Topic, dict[str, Any]]]:
    """Every example with its topic."""
    return [(topic, example) for topic in TOPICS for example in examples(topic)]


def name_of(topic_or_example: Topic | dict[str, Any]) -> str:
    """A short id for a parametrised test."""
    return (topic_or_example.schema or "") if isinstance(topic_or_example, Topic) else ""


def as_codec_value(schema: Schema, example: Any) -> Any:
    """*example* as our codecs have it: ms, days and ``Decimal``."""
    return _convert(schema, example, _as_integer)


def as_native_value(schema: Schema, example: Any) -> Any:
    """*example* as Avro libraries have it: ``datetime``, ``date`` and ``Decimal``."""
    return _convert(schema, example, _as_native)


def as_example(schema: Schema, value: Any) -> Any:
    """
    *value* of our codecs, unions without names, as the examples have it: in the schema's order, leaves as
    text.
    """
    return _convert(schema, value, _as_text)


def _convert(kind: Any, item: Any, leaf: Leaf) -> Any:  # noqa: PLR0911 - one return per kind of type
    match kind:
        case ["null", branch]:
            return None if item is None else _convert(branch, item, leaf)
        case [*branches]:
            [(name, record)] = item.items()
            branch = next(branch for branch in branches if name.endswith(f".{branch['name']}"))
            return name, _convert(branch, record, leaf)
        case {"type": "record", "fields": fields}:
            assert item.keys() == {field["name"] for field in fields}
            return {field["name"]: _convert(field["type"], item[field["name"]], leaf) for field in fields}
        case {"type": "array", "items": items}:
            return [_convert(items, one, leaf) for one in item]
        case {"logicalType": meaning}:
            return leaf(meaning, item)
        case "bytes":
            return bytes.fromhex(item)
    return item


def _as_native(meaning: str, item: str) -> Any:
    match meaning:
        case "timestamp-millis":
            return datetime.fromisoformat(item)
        case "date":
            return date.fromisoformat(item)
        case "decimal":
            return Decimal(item)
    raise AssertionError(f"the examples do not know {meaning}")


def _as_integer(meaning: str, item: str) -> Any:
    native = _as_native(meaning, item)
    if isinstance(native, datetime):
        return (native - _EPOCH) // timedelta(milliseconds=1)
    return native.toordinal() - _EPOCH.toordinal() if isinstance(native, date) else native


def _as_text(meaning: str, item: Any) -> str:
    match meaning:
        case "timestamp-millis":
            moment = _EPOCH + timedelta(milliseconds=item)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "date":
            return (_EPOCH.date() + timedelta(days=item)).isoformat()
        case "decimal":
            return f"{item:.4f}"
    raise AssertionError(f"the examples do not know {meaning}")
