"""
What health hands out ⇄ bytes: snapshots, changes and alert events.

    encoder = OutputEncoder(contract, registry)
    encoder.snapshot(snapshot), encoder.change(change), encoder.alert(alert)   # for contract.current, .change, .alert
    OutputDecoder(contract, registry).decode(topic, value)                     # dict; Undecodable

Writers have the core's classes; readers (sinks, command line, anybody) get dicts with the schema's names,
times in ms UTC, dates in days since 1970-01-01, money as ``Decimal``.
"""

from operator import itemgetter
from typing import Any, Final

from pipeline.health.outputs import AlertEvent, Cause, HealthChange, HealthSnapshot
from pipeline.wire.avro import Decoder
from pipeline.wire.avro_values import Getters, ValueEncoder
from pipeline.wire.contract import INCARNATION, Contract
from pipeline.wire.registry import Registry

SCORED_AT: Final = "telltale-scored-at"
"""Header of every output: wall clock when a worker made the record, ms UTC in ASCII digits. The last that is not null counts."""


class OutputEncoder:
    """Writes the three outputs with their newest schemas."""

    __slots__ = ("_alert", "_change", "_snapshot")

    def __init__(self, contract: Contract, registry: Registry) -> None:
        topics = {topic.source: topic.name for topic in contract.inputs}

        def topic_of(cause: Cause) -> str:
            return topics.get(cause.topic.partition(INCARNATION)[0], cause.topic)

        getters: Getters = {
            "telltale.health.v1.Cause": {"topic": topic_of},
            "telltale.health.v1.ComponentPoints": {"component": itemgetter(0), "points": itemgetter(1)},
        }
        self._snapshot = ValueEncoder(contract.current, contract, registry)
        self._change = ValueEncoder(contract.change, contract, registry, getters=getters)
        self._alert = ValueEncoder(contract.alert, contract, registry, getters=getters)

    def snapshot(self, snapshot: HealthSnapshot) -> bytes:
        """Value for ``contract.current``."""
        return self._snapshot.encode(snapshot)

    def change(self, change: HealthChange) -> bytes:
        """Value for ``contract.change``; a cause's source becomes the name of its topic, a file stays a file."""
        return self._change.encode(change)

    def alert(self, alert: AlertEvent) -> bytes:
        """Value for ``contract.alert``."""
        return self._alert.encode(alert)


class OutputDecoder:
    """Reads the three outputs, whatever version they were written with."""

    __slots__ = ("_decoders",)

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._decoders = {
            topic.name: Decoder(topic, contract, registry)
            for topic in (contract.current, contract.change, contract.alert)
        }

    def decode(self, topic: str, value: bytes) -> dict[str, Any]:
        """The record in a *value* of *topic*; ``Undecodable`` if there is none, ``RegistryUnavailable`` to wait."""
        return self._decoders[topic].decode(value)

    def lacking(self, topic: str, value: bytes) -> frozenset[str]:
        """Fields that records of *topic* have by now and the release that wrote *value* did not know."""
        return self._decoders[topic].lacking(value)
