"""
Values of one topic ⇄ Avro in Confluent framing: a zero byte, the schema's id in four bytes, the value.

The one user of fastavro. Times and dates stay integers and money is converted here, since fastavro's logical
types cost more than the rest of a field; the bytes are the same. What the values mean is known to
``inputs.py``, ``log.py`` and ``outputs.py``::

    encoder = Encoder(contract.input("login"), contract, registry)      # asks the registry for the id, once
    encoder.encode({"event_id": …})                                     # bytes; Unencodable
    # dict; Undecodable, RegistryUnavailable
    Decoder(contract.input("login"), contract, registry).decode(value)

    ValueError
    ├── Unencodable     our own value does not fit the schema: a bug
    └── Undecodable     somebody's bytes do not fit: a dead letter, with its code
"""

from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from time import monotonic
from typing import Any, Final, NamedTuple

import fastavro

from pipeline.intake.received import Code
from pipeline.wire.avro_schema import field_names, misfit, money_fields, plain
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.registry import Registry, UnknownSchemaId

MOST_BYTES: Final = 1_000_000
"""Largest value that is decoded at all."""

FRAME_BYTES: Final = 5
MONEY_SCALE: Final = 4
_MOST_UNSCALED: Final = 10**18
MONEY_UNIT: Final = Decimal(1).scaleb(-MONEY_SCALE)

_ASK_AGAIN: Final = 30.0
"""Seconds after which an id that could not be read is asked for again: somebody may have registered it."""
_MOST_BAD_IDS: Final = 10_000

# What fastavro raises for bytes that are no value of the schema.
_NOT_AVRO: Final = (EOFError, ValueError, LookupError, ArithmeticError, TypeError, RecursionError)


class Unencodable(ValueError):  # noqa: N818 - these read as what happened
    """A value of our own that its schema cannot hold."""


class Undecodable(ValueError):  # noqa: N818
    """Bytes that are no value of the topic; *code* says in which way."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code: Code = code
        self.detail = detail


class _Reading(NamedTuple):
    """How to read values with one schema id: as written, and as wanted unless that is the same."""

    written: Any
    wanted: Any


def unscaled(amount: Decimal) -> bytes:
    """*amount* as Avro's decimal of scale 4; ``Unencodable`` if it has more places or more than 18 digits."""
    try:
        exact = amount.quantize(MONEY_UNIT)
    except ArithmeticError:
        exact = None
    if exact is None or exact != amount or abs(number := int(exact.scaleb(MONEY_SCALE))) >= _MOST_UNSCALED:
        raise Unencodable(
            f"{amount} is no amount of at most 14 digits before and {MONEY_SCALE} after the point."
        )
    return number.to_bytes((number.bit_length() + 8) >> 3, signed=True)


def scaled(digits: bytes) -> Decimal:
    """The amount that Avro's decimal of scale 4 holds; ``Undecodable`` beyond 18 digits."""
    number = int.from_bytes(digits, signed=True)
    if abs(number) >= _MOST_UNSCALED:  # a megabyte of digits would take minutes to become a Decimal
        raise Undecodable("range", "an amount has more than 18 digits")
    return Decimal(number).scaleb(-MONEY_SCALE)


class Encoder:
    """
    Writes values of one topic with its newest schema; fields may be missing if they have a default.

    *frame* is the five bytes that open every value.
    """

    __slots__ = ("_money", "_schema", "_topic", "frame")

    def __init__(self, topic: Topic, contract: Contract, registry: Registry) -> None:
        newest = contract.newest(topic)
        self._topic = topic.name
        self._schema = plain(newest)
        self._money = money_fields(newest)
        self.frame = b"\0" + registry.id_for(topic).to_bytes(4)

    def encode(self, value: Mapping[str, Any]) -> bytes:
        """*value* as bytes; ``Unencodable`` names what does not fit, an unknown field included."""
        fields = dict(value)
        for name in self._money:
            amount = fields.get(name)
            if amount is not None:
                fields[name] = unscaled(amount)
        out = BytesIO()
        out.write(self.frame)
        try:
            fastavro.schemaless_writer(out, self._schema, fields, strict_allow_default=True)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise Unencodable(f"A value of {self._topic} does not fit its schema: {error}") from error
        return out.getvalue()


class Decoder:
    """
    Reads values of one topic, whatever version they were written with, as the newest.

    The first value with an id asks the registry. An id that cannot be read is remembered for half a minute,
    so that a flood of them does not become a flood of requests. With *name_unions* a union of records reads
    as (name of the record, its fields).
    """

    __slots__ = ("_bad", "_money", "_name_unions", "_newest", "_readings", "_registry")

    def __init__(
        self, topic: Topic, contract: Contract, registry: Registry, *, name_unions: bool = False
    ) -> None:
        self._newest = contract.newest(topic)
        self._money = money_fields(self._newest)
        self._registry = registry
        self._name_unions = name_unions
        self._readings: dict[bytes, _Reading] = {}
        self._bad: dict[bytes, tuple[float, Undecodable]] = {}

    def decode(self, payload: bytes) -> dict[str, Any]:
        """
        The value in *payload*; ``Undecodable`` for what is none, ``RegistryUnavailable`` to try again later.
        """
        if len(payload) > MOST_BYTES:
            raise Undecodable("too_large", f"the value has {len(payload)} bytes, more than {MOST_BYTES}")
        reading = self._readings.get(payload[:FRAME_BYTES]) or self._meet(payload[:FRAME_BYTES])
        stream = BytesIO(payload)
        stream.seek(FRAME_BYTES)
        try:
            value: Any = fastavro.schemaless_reader(
                stream, reading.written, reading.wanted, return_record_name=self._name_unions
            )
        except fastavro.read.SchemaResolutionError:
            raise Undecodable("schema_mismatch", f"the value does not fit {self._newest['name']}") from None
        except _NOT_AVRO:
            raise Undecodable("decode", f"the value is no {self._newest['name']} or is cut off") from None
        if stream.tell() != len(payload):
            raise Undecodable("decode", f"{len(payload) - stream.tell()} bytes follow the value")
        for name in self._money:
            if value[name] is not None:
                value[name] = scaled(value[name])
        assert isinstance(value, dict)  # every topic's value is a record
        return value

    def lacking(self, payload: bytes) -> frozenset[str]:
        """
        Names of fields, at any depth, that the newest schema has and the one *payload* was written with has
        not.
        """
        reading = self._readings.get(payload[:FRAME_BYTES]) or self._meet(payload[:FRAME_BYTES])
        return field_names(self._newest) - field_names(reading.written)

    def _meet(self, header: bytes) -> _Reading:
        """Decide once per id how to read it."""
        if len(header) < FRAME_BYTES or header[0] != 0:
            raise Undecodable("decode", "the value does not open with Confluent's header: 0 and a schema id")
        until, verdict = self._bad.get(header, (0.0, None))
        if verdict is not None and monotonic() < until:
            raise Undecodable(verdict.code, verdict.detail)
        try:
            reading = self._reading(int.from_bytes(header[1:]))
        except Undecodable as found:
            if len(self._bad) >= _MOST_BAD_IDS:  # somebody may try all of 2³² ids
                self._bad.clear()
            self._bad[header] = monotonic() + _ASK_AGAIN, found
            raise
        self._readings[header] = reading
        return reading

    def _reading(self, schema_id: int) -> _Reading:
        try:
            written = self._registry.schema_for(schema_id)
        except UnknownSchemaId:
            raise Undecodable("unknown_schema", f"no schema has the id {schema_id}") from None
        fault = misfit(written, self._newest)
        if fault:
            raise Undecodable("schema_mismatch", f"schema {schema_id} {fault}")
        parsed, wanted = plain(written), plain(self._newest)
        return _Reading(parsed, None if parsed == wanted else wanted)
