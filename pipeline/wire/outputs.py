"""
What health hands out ⇄ bytes: snapshots, changes and alert events.

    encoder = OutputEncoder(contract, registry)
    encoder.snapshot(snapshot), encoder.change(change), encoder.alert(alert)   # for contract.current, .change, .alert
    OutputDecoder(contract, registry).decode(topic, value)                     # dict; Undecodable

Writers have the core's frozen values; readers (sinks, command line, anybody) get dicts with the schema's names,
times in ms UTC, dates in days since 1970-01-01, money as ``Decimal``.
"""

from typing import Any, Final

from pipeline.health.outputs import (
    AlertEvent,
    Cause,
    ComponentMove,
    ComponentScore,
    Evidence,
    HealthChange,
    HealthSnapshot,
    OpenAlert,
    Override,
)
from pipeline.wire.avro import Decoder, Encoder
from pipeline.wire.contract import INCARNATION, Contract
from pipeline.wire.registry import Registry

_FIELDS: Final[dict[type[Any], tuple[str, ...]]] = {
    kind: tuple(kind.__dataclass_fields__)
    for kind in (
        HealthSnapshot,
        ComponentScore,
        OpenAlert,
        Override,
        HealthChange,
        ComponentMove,
        Cause,
        AlertEvent,
        Evidence,
    )
}


class OutputEncoder:
    """Writes the three outputs with their newest schemas."""

    __slots__ = ("_alert", "_change", "_snapshot", "_topics")

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._snapshot = Encoder(contract.current, contract, registry, check_names=False)
        self._change = Encoder(contract.change, contract, registry, check_names=False)
        self._alert = Encoder(contract.alert, contract, registry, check_names=False)
        self._topics = {topic.source: topic.name for topic in contract.inputs}

    def snapshot(self, snapshot: HealthSnapshot) -> bytes:
        """Value for ``contract.current``."""
        record = _record(snapshot)
        record["components"] = [_record(component) for component in snapshot.components]
        record["open_alerts"] = [_record(alert) for alert in snapshot.open_alerts]
        record["override"] = None if snapshot.override is None else _record(snapshot.override)
        return self._snapshot.encode(record)

    def change(self, change: HealthChange) -> bytes:
        """Value for ``contract.change``; a cause's source becomes the name of its topic, a file stays a file."""
        record = _record(change)
        record["points"] = [_record(move) for move in change.points]
        record["causes"] = [
            _record(cause) | {"topic": self._topics.get(cause.topic.partition(INCARNATION)[0], cause.topic)}
            for cause in change.causes
        ]
        return self._change.encode(record)

    def alert(self, alert: AlertEvent) -> bytes:
        """Value for ``contract.alert``."""
        record = _record(alert)
        record["points"] = [{"component": component, "points": points} for component, points in alert.points]
        record["evidence"] = [_record(evidence) for evidence in alert.evidence]
        return self._alert.encode(record)


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


def _record(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _FIELDS[type(value)]}
