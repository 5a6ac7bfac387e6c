"""
What health hands out ⇄ bytes: snapshots, changes and alert events.

    encoder = OutputEncoder(contract, registry)
    topic, value = encoder.encode(output)              # a snapshot, a change or an alert event
    OutputDecoder(contract, registry).decode(topic, value)                     # dict; Undecodable

Writers have the core's classes; readers (sinks, command line, anybody) get dicts with the schema's names,
times in ms UTC, dates in days since 1970-01-01, money as ``Decimal``.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from pipeline.health.outputs import AlertEvent, Cause, HealthChange, HealthSnapshot
from pipeline.health.versions import Output
from pipeline.wire.avro import Decoder
from pipeline.wire.avro_values import Getters, ValueEncoder
from pipeline.wire.contract import TOPIC_ID_SEPARATOR, Contract
from pipeline.wire.registry import Registry

SCORED_AT: Final = "telltale-scored-at"
"""
Header of every output: wall clock when a worker made the record, ms UTC in ASCII digits. The last that is not
null counts.
"""


class OutputEncoder:
    """Writes the three outputs with their newest schemas."""

    __slots__ = ("_writers",)

    def __init__(self, contract: Contract, registry: Registry) -> None:
        topics = {topic.source: topic.name for topic in contract.inputs}

        def topic_of(cause: Cause) -> str:
            return topics.get(cause.topic.partition(TOPIC_ID_SEPARATOR)[0], cause.topic)

        getters: Getters = {
            "telltale.health.v1.Cause": {"topic": topic_of},
            "telltale.health.v1.ComponentPoints": {"component": itemgetter(0), "points": itemgetter(1)},
        }
        self._writers: dict[type[Output], tuple[str, Callable[[Any], bytes]]] = {
            kind: (topic.name, ValueEncoder(topic, contract, registry, getters=getters).encode)
            for kind, topic in (
                (HealthSnapshot, contract.current),
                (HealthChange, contract.change),
                (AlertEvent, contract.alert),
            )
        }

    def encode(self, output: Output) -> tuple[str, bytes]:
        """
        The topic *output* belongs to, and its value there. Of a cause the source becomes the name of its
        topic.
        """
        topic, write = self._writers[type(output)]
        return topic, write(output)


class OutputDecoder:
    """Reads the three outputs, whatever version they were written with."""

    __slots__ = ("_decoders",)

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._decoders = {topic.name: Decoder(topic, contract, registry) for topic in contract.outputs}

    def decode(self, topic: str, value: bytes) -> dict[str, Any]:
        """
        The record in a *value* of *topic*; ``Undecodable`` if there is none, ``RegistryUnavailable`` to wait.
        """
        return self._decoders[topic].decode(value)

    def lacking(self, topic: str, value: bytes) -> frozenset[str]:
        """Fields that records of *topic* have by now and the release that wrote *value* did not know."""
        return self._decoders[topic].lacking(value)
