"""
Input events ⇄ bytes: what the intake receives, and what ``ingest`` and the simulator send.

    decoder = InputDecoder(contract, registry)
    decoder.decode(record)                          # Received | Rejected; RegistryUnavailable
    encoder = InputEncoder(contract, registry)
    encoder.encode("login", {"event_id": …})   # bytes for contract.input("login").name

What the values mean, and whether they can be, is ``pipeline/intake``'s.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pipeline.intake.event_types import EVENT_TYPES, EventType
from pipeline.intake.received import Received, Rejected
from pipeline.wire.avro import Decoder, Encoder, Undecodable
from pipeline.wire.contract import TOPIC_ID_SEPARATOR, Contract
from pipeline.wire.registry import Registry

_TOPIC_ID_DIGITS: Final = 6
"""Of a topic's 22, 36 bits: the two ids to be told apart are those of one name."""


class InputRecord(Protocol):
    """A record as aiokafka has it."""

    @property
    def topic(self) -> str:
        """Full name of the topic."""

    @property
    def partition(self) -> int:
        """Partition of the topic."""

    @property
    def offset(self) -> int:
        """Offset in the partition."""

    @property
    def timestamp(self) -> int:
        """Kafka's timestamp, ms UTC."""

    @property
    def key(self) -> bytes | None:
        """Key as received."""

    @property
    def value(self) -> bytes | None:
        """Value as received; ``None`` is a tombstone."""


class InputDecoder:
    """Reads records of every input topic."""

    __slots__ = ("_by_topic",)

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._by_topic: dict[str, tuple[EventType, str, Decoder]] = {}
        for event_type in EVENT_TYPES:
            topic = contract.input(event_type.source)
            self._by_topic[topic.name] = event_type, event_type.source, Decoder(topic, contract, registry)

    def tell_apart(self, topic_ids: Mapping[str, str]) -> None:
        """
        Give each topic in *topic_ids*, by full name, a source of its own: ``login@Xk3dQ2``, by the broker's
        id.

        Recreated, a topic begins at offset 0 again; under another source its records are none that were seen
        before.
        """
        for name, topic_id in topic_ids.items():
            event_type, _, decoder = self._by_topic[name]
            source = f"{event_type.source}{TOPIC_ID_SEPARATOR}{topic_id[:_TOPIC_ID_DIGITS]}"
            self._by_topic[name] = event_type, source, decoder

    def decode(self, record: InputRecord) -> Received | Rejected:
        """
        One record of an input topic; bytes of any kind give a value or a ``Rejected``.

        ``RegistryUnavailable`` says nothing about the record: wait, and decode it again. The first record
        with a schema id may block for a request to the registry.
        """
        event_type, source, decoder = self._by_topic[record.topic]
        decoded = None
        if record.value is not None or event_type.name != "account":
            try:
                decoded = decoder.decode(record.value or b"")
            except Undecodable as fault:
                return Rejected(
                    code=fault.code,
                    detail=fault.detail,
                    source=source,
                    partition=record.partition,
                    offset=record.offset,
                )
        return Received(
            event_type.name,
            source,
            record.partition,
            record.offset,
            record.key,
            record.timestamp,
            decoded,
        )


class InputEncoder:
    """Writes values for every input topic."""

    __slots__ = ("_by_name",)

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._by_name = {
            event_type.name: Encoder(contract.input(event_type.source), contract, registry)
            for event_type in EVENT_TYPES
        }

    def encode(self, event: str, value: Mapping[str, Any]) -> bytes:
        """
        Value of an *event* (``login``, ``support_ticket``, …) as bytes; fields with a default may be missing.

        Times are ms UTC, dates days since 1970-01-01, money is ``Decimal``. ``Unencodable`` if it does not
        fit.
        """
        return self._by_name[event].encode(value)
