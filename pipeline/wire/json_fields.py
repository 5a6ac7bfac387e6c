"""
Fields of an event as JSON has them ⇄ values: how each Avro type is read and written, and what can be
wrong with it.

Lines and event types are ``ndjson.py``'s; ranges and meaning are checked by ``pipeline/intake`` afterwards.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from pipeline.intake.checks import Fault
from pipeline.wire.avro import MONEY_UNIT
from pipeline.wire.contract import Schema

_Convert: TypeAlias = Callable[[Any], Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MISSING: Final = object()


class WrongField(ValueError):  # noqa: N818 - a clause that follows the field's name
    """What is wrong with a field."""


class Field(NamedTuple):
    """How to read and to write one field; *default* is ``_MISSING`` where there must be a value."""

    name: str
    convert: _Convert
    write: _Convert
    default: Any


class Shape:
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
        """
        What *given* fields and the defaults make; ``None`` if anything is wrong, which ``faults`` tells.
        """
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
        except WrongField:
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
                except WrongField as wrong:
                    found.append(Fault("schema_mismatch", f"{name} {wrong}"))
        return sorted(found)


def _field(field: Schema) -> Field:
    kind = field["type"]
    convert, write = _converters(kind[1] if isinstance(kind, list) else kind)  # nullable is [null, kind]
    return Field(field["name"], convert, write, field.get("default", _MISSING))


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
    raise WrongField("is no text")


def _texts(item: Any) -> list[str]:
    if isinstance(item, list) and all(isinstance(text, str) for text in item):
        return item
    raise WrongField("is no list of texts")


def _text_map(item: Any) -> dict[str, str]:
    if isinstance(item, dict) and all(isinstance(text, str) for text in item.values()):
        return item
    raise WrongField("is no object of texts")


def _boolean(item: Any) -> bool:
    if isinstance(item, bool):
        return item
    raise WrongField("is neither true nor false")


def _integer(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool) and -(1 << 31) <= item < 1 << 31:
        return item
    raise WrongField("is no whole number of 32 bits")


def read_time(item: Any) -> int:
    """The time in *item*, ms UTC; ``WrongField`` if it is none."""
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) < 1 << 62:
        return item
    try:
        moment = datetime.fromisoformat(item)
        return (moment - _EPOCH) // _MILLISECOND
    except (TypeError, ValueError, OverflowError):  # TypeError: no text, or a time without an offset
        raise WrongField("is neither ms nor ISO 8601 with an offset, such as 2026-01-31T09:30:00Z") from None


def write_time(time: int) -> str:
    """*time*, ms UTC, as ISO 8601."""
    return (_EPOCH + time * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(item: Any) -> int:
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) < 1 << 31:
        return item
    try:
        return date.fromisoformat(item).toordinal() - _EPOCH_DAY
    except (TypeError, ValueError):
        raise WrongField("is neither an ISO date, such as 2026-01-31, nor days since 1970-01-01") from None


def _iso_day(day: int) -> str:
    return date.fromordinal(_EPOCH_DAY + day).isoformat()


def _money(item: Any) -> Decimal:
    try:
        amount = Decimal(item) if isinstance(item, int | str | Decimal) else None
        exact = None if amount is None else amount.quantize(MONEY_UNIT)
    except ArithmeticError:
        exact = None
    if exact is None or exact != amount or exact.adjusted() > 13 or isinstance(item, bool):
        raise WrongField("is no amount of at most 14 digits before and 4 after the point")
    return exact


def _symbol(symbols: list[str]) -> _Convert:
    known = {symbol: symbol for symbol in symbols} | {symbol.lower(): symbol for symbol in symbols}
    listed = ", ".join(symbols)

    def convert(item: Any) -> str:
        symbol = known.get(item) or known.get(item.upper()) if isinstance(item, str) else None
        if symbol is None:
            raise WrongField(f"is none of {listed}")
        return symbol

    return convert


_BY_TYPE: Final[dict[str, tuple[_Convert, _Convert]]] = {
    "string": (_text, _same),
    "boolean": (_boolean, _same),
    "int": (_integer, _same),
    "array": (_texts, _same),
    "map": (_text_map, _same),
    "timestamp-millis": (read_time, write_time),
    "date": (_day, _iso_day),
    "decimal": (_money, str),
}
"""
How to read and write what the inputs' schemas are made of; a type they have not used yet needs a line here.
"""
