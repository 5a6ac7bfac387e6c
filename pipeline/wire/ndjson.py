"""
Input events as lines of JSON: what ``telltale ingest`` and history files read, and exports write.

One line is one event: ``type`` (the name in ``EVENT_TYPES``) and the fields of its schema. Times are ISO 8601 with
an offset, or ms; dates ISO, or days since 1970-01-01; money a number or a text; enums in any case. Fields with a
default may be missing. ``observed_at`` says when the event became known, ``occurred_at`` unless given.
``{"type": "account", "account_id": "acme", "occurred_at": …, "closed": true}`` closes an account.

Whether the values can be is decided by ``pipeline/intake`` afterwards; files and their order are ``history.py``'s.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from pipeline.intake.checks import Fault, verdict
from pipeline.intake.event_types import BY_NAME, EVENT_TYPES
from pipeline.intake.received import Received, Rejected
from pipeline.wire.avro import MONEY_UNIT
from pipeline.wire.contract import Contract, Schema

_Convert: TypeAlias = Callable[[Any], Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MISSING: Final = object()


class _Wrong(ValueError):  # noqa: N818 - a clause that follows the field's name
    """What is wrong with a field."""


class _Field(NamedTuple):
    """How to read and to write one field; *default* is ``_MISSING`` where there must be a value."""

    name: str
    convert: _Convert
    write: _Convert
    default: Any


class _Shape:
    """The fields of one event type."""

    __slots__ = ("_converted", "_defaults", "_required", "_texts", "fields")

    def __init__(self, schema: Schema) -> None:
        self.fields = tuple(map(_field, schema["fields"]))
        self._defaults = {field.name: field.default for field in self.fields}
        self._required = frozenset(field.name for field in self.fields if field.default is _MISSING)
        self._texts = tuple((field.name, field.default) for field in self.fields if field.convert is _text)
        self._converted = tuple(
            (field.name, field.convert, field.default) for field in self.fields if field.convert is not _text
        )

    def value(self, given: dict[str, Any]) -> dict[str, Any] | None:
        """What *given* fields and the defaults make; ``None`` if anything is wrong, which ``faults`` tells."""
        value = self._defaults | given
        if len(value) != len(self._defaults) or not given.keys() >= self._required:
            return None
        for name, default in self._texts:
            if type(value[name]) is not str and value[name] is not default:
                return None
        try:
            for name, convert, default in self._converted:
                if value[name] is not default:
                    value[name] = convert(value[name])
        except _Wrong:
            return None
        return value

    def faults(self, given: dict[str, Any]) -> list[Fault]:
        """Everything that is wrong with *given*, field by field."""
        names = {field.name for field in self.fields}
        found = [
            Fault("schema_mismatch", f"there is no field {name[:50]!r}") for name in given.keys() - names
        ]
        for name, convert, _, default in self.fields:
            item = given.get(name, default)
            if item is _MISSING:
                found.append(Fault("missing_field", f"{name} is missing"))
            elif item is not default:
                try:
                    convert(item)
                except _Wrong as wrong:
                    found.append(Fault("schema_mismatch", f"{name} {wrong}"))
        return sorted(found)


class EventLines:
    """Reads and writes lines by the newest schema of each event type."""

    __slots__ = ("_parse", "_shapes")

    def __init__(self, contract: Contract) -> None:
        self._shapes = {
            event_type.name: _Shape(contract.newest(contract.input(event_type.source)))
            for event_type in EVENT_TYPES
        }
        # Decimals, since a float has lost the cents of a large amount before anybody looks at it.
        self._parse = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).raw_decode

    def read(self, line: bytes, source: str = "", offset: int = 0) -> Received | Rejected:
        """
        The event in *line*, as if received from *source* at *offset*, or all that is wrong with the line.

        Its timestamp is the line's ``observed_at``; its key is the account's id where the line has one.
        """
        try:
            text = line.decode().strip()
            fields, end = self._parse(text)
        except (ValueError, RecursionError):
            fields = end = None
        if end is None or end != len(text):
            return _rejected([Fault("decode", "the line is no JSON in UTF-8")], source, offset)
        event = fields.pop("type", None) if isinstance(fields, dict) else None
        if not isinstance(event, str) or event not in BY_NAME:
            says = f"the line is no JSON object with a type: one of {', '.join(BY_NAME)}"
            return _rejected([Fault("schema_mismatch", says)], source, offset)
        if event == "account" and fields.pop("closed", False) is True:
            return _closing(fields, source, offset)
        faults: list[Fault] = []
        observed_at = _read_time("observed_at", fields.pop("observed_at", None), faults)
        shape = self._shapes[event]
        value = shape.value(fields)
        if value is None or faults:
            return _rejected(faults + shape.faults(fields), source, offset)
        account_id = value["account_id"]
        key = None if account_id is None else account_id.encode("utf-8", "surrogatepass")
        timestamp = value["occurred_at"] if observed_at is None else observed_at
        return Received(event, source or BY_NAME[event].source, 0, offset, key, timestamp, value)

    def write(self, received: Received) -> bytes:
        """*received* as a line with its line feed, times and dates as ISO 8601, without what is default."""
        line: dict[str, Any] = {"type": received.event, "observed_at": _iso_time(received.timestamp)}
        if received.value is None:
            account_id = (received.key or b"").decode()
            line |= {"account_id": account_id, "occurred_at": line["observed_at"], "closed": True}
        else:
            for field in self._shapes[received.event].fields:
                item = received.value[field.name]
                if item != field.default:
                    line[field.name] = item if item is None else field.write(item)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _closing(fields: dict[str, Any], source: str, offset: int) -> Received | Rejected:
    faults: list[Fault] = []
    observed_at = _read_time("observed_at", fields.get("observed_at"), faults)
    occurred_at = _read_time("occurred_at", fields.get("occurred_at"), faults)
    timestamp = occurred_at if observed_at is None else observed_at
    account_id = fields.get("account_id")
    if not isinstance(account_id, str):
        faults.append(Fault("missing_field", "account_id is missing, required to close an account"))
    if timestamp is None and not faults:
        faults.append(Fault("missing_field", "occurred_at is missing"))
    if faults or timestamp is None or account_id is None:
        return _rejected(faults, source, offset)
    key = account_id.encode("utf-8", "surrogatepass")
    return Received("account", source or "account", 0, offset, key, timestamp, None)


def _read_time(name: str, item: Any, faults: list[Fault]) -> int | None:
    """The time in *item*, which may be missing."""
    try:
        return None if item is None else _time(item)
    except _Wrong as wrong:
        faults.append(Fault("schema_mismatch", f"{name} {wrong}"))
        return None


def _rejected(faults: list[Fault], source: str, offset: int) -> Rejected:
    code, detail = verdict(faults)
    return Rejected(code=code, detail=detail, source=source, partition=0, offset=offset)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _field(field: Schema) -> _Field:
    kind = field["type"]
    convert, write = _converters(kind[1] if isinstance(kind, list) else kind)  # nullable is [null, kind]
    return _Field(field["name"], convert, write, field.get("default", _MISSING))


def _converters(kind: Any) -> tuple[_Convert, _Convert]:
    """How to read and to write a field of Avro type *kind*."""
    if isinstance(kind, str):
        return _BY_TYPE[kind]
    if kind["type"] == "enum":
        return _symbol(kind["symbols"]), _same
    return _BY_TYPE[kind.get("logicalType") or kind["type"]]


def _same(item: Any) -> Any:
    return item


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    raise _Wrong("is no text")


def _texts(item: Any) -> list[str]:
    if isinstance(item, list) and all(isinstance(text, str) for text in item):
        return item
    raise _Wrong("is no list of texts")


def _text_map(item: Any) -> dict[str, str]:
    if isinstance(item, dict) and all(isinstance(text, str) for text in item.values()):
        return item
    raise _Wrong("is no object of texts")


def _boolean(item: Any) -> bool:
    if isinstance(item, bool):
        return item
    raise _Wrong("is neither true nor false")


def _integer(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool) and -(1 << 31) <= item < 1 << 31:
        return item
    raise _Wrong("is no whole number of 32 bits")


def _time(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) < 1 << 62:
        return item
    try:
        moment = datetime.fromisoformat(item)
        return (moment - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError, OverflowError):  # TypeError: no text, or a time without an offset
        raise _Wrong("is neither ms nor ISO 8601 with an offset, such as 2026-01-31T09:30:00Z") from None


def _iso_time(time: int) -> str:
    return (_EPOCH + time * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) < 1 << 31:
        return item
    try:
        return date.fromisoformat(item).toordinal() - _EPOCH_DAY
    except (TypeError, ValueError):
        raise _Wrong("is neither an ISO date, such as 2026-01-31, nor days since 1970-01-01") from None


def _iso_day(day: int) -> str:
    return date.fromordinal(_EPOCH_DAY + day).isoformat()


def _money(item: Any) -> Decimal:
    try:
        amount = Decimal(item) if isinstance(item, int | str | Decimal) else None
        exact = None if amount is None else amount.quantize(MONEY_UNIT)
    except ArithmeticError:
        exact = None
    if exact is None or exact != amount or exact.adjusted() > 13 or isinstance(item, bool):
        raise _Wrong("is no amount of at most 14 digits before and 4 after the point")
    return exact


def _symbol(symbols: list[str]) -> _Convert:
    known = {symbol: symbol for symbol in symbols} | {symbol.lower(): symbol for symbol in symbols}
    listed = ", ".join(symbols)

    def convert(item: Any) -> str:
        symbol = known.get(item) or known.get(item.upper()) if isinstance(item, str) else None
        if symbol is None:
            raise _Wrong(f"is none of {listed}")
        return symbol

    return convert


_BY_TYPE: Final[dict[str, tuple[_Convert, _Convert]]] = {
    "string": (_text, _same),
    "boolean": (_boolean, _same),
    "int": (_integer, _same),
    "array": (_texts, _same),
    "map": (_text_map, _same),
    "timestamp-millis": (_time, _iso_time),
    "date": (_day, _iso_day),
    "decimal": (_money, str),
}
"""How to read and write what the inputs' schemas are made of; a type they have not used yet needs a line here."""
