"""
Steps of the health fold in bytes: outputs per topic, states per key, the partition's record.

Encoded when the fold ends a step, because the fold goes on while the step is written. What order they are
written in is ``health``'s, what a value looks like ``pipeline.wire``'s.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from agents.health_metrics import HealthMetrics
from agents.lane.writer import Record
from pipeline.health.fold import PartitionFold
from pipeline.health.versions import Output
from pipeline.wire.contract import Contract
from pipeline.wire.outputs import SCORED_AT, OutputEncoder
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD
from pipeline.wire.registry import Registry
from pipeline.wire.state import encode_account, encode_record, encode_scorecards, position_of

_FRAMING_BYTES = 40
"""What a record takes around its key and value, rounded up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedStep:
    """
    One step in bytes.

    *outputs* are records per topic in order; *states* end up in one batch with *record* last. *observed_at*
    is that of the poll's oldest event, None without events; *event* is the poll this step completes. *is_cut*
    says that more steps of the same poll follow.
    """

    states: dict[bytes, bytes]
    record: bytes
    size: int
    outputs: dict[str, list[Record]] = field(default_factory=dict)
    observed_at: int | None = None
    event: Any | None = None
    is_cut: bool = False


class StepEncoder:
    """Encodes what a fold did, and counts it in *health_metrics*."""

    def __init__(self, contract: Contract, registry: Registry, health_metrics: HealthMetrics) -> None:
        self._encode = OutputEncoder(contract, registry).encode
        self._metrics = health_metrics

    def end_step(self, fold: PartitionFold, **rest: Any) -> EncodedStep:
        """End the step of *fold* and encode it; *rest* are further fields of the EncodedStep."""
        step = fold.take_step()
        position = position_of(fold)
        states = {}
        for account_id, state in step.changed.items():
            states[account_id.encode()] = value = encode_account(position, state)
            self._metrics.state_written(account_id, len(value))
        if step.scorecards_changed and fold.scorecards is not None:
            states[SCORECARDS_RECORD] = encode_scorecards(position, fold.scorecards)
        outputs = self._encode_outputs(fold.partition, step.outputs)
        return _encoded(fold, states, outputs=outputs, **rest)

    def again(self, fold: PartitionFold, key: bytes) -> EncodedStep:
        """The value of *key* once more, as *fold* has it; nothing has changed since it was written."""
        states = {}
        if key == SCORECARDS_RECORD:
            assert fold.scorecards is not None, "restored from this very record"
            states[key] = encode_scorecards(position_of(fold), fold.scorecards)
        elif key != PARTITION_RECORD:  # that one closes every step anyway
            states[key] = encode_account(position_of(fold), fold.states[key.decode()])
        return _encoded(fold, states)

    def _encode_outputs(self, partition: int, outputs: list[tuple[str, Output]]) -> dict[str, list[Record]]:
        records: dict[str, list[Record]] = defaultdict(list)
        headers = [(SCORED_AT, str(int(time.time() * 1000)).encode())]
        for account_id, output in outputs:
            topic, value = self._encode(output)
            records[topic].append((account_id.encode(), value, headers))
            self._metrics.put_out(partition, output)
        return records


def _encoded(fold: PartitionFold, states: dict[bytes, bytes], **rest: Any) -> EncodedStep:
    size = sum(len(key) + len(value) + _FRAMING_BYTES for key, value in states.items())
    return EncodedStep(states=states, record=encode_record(fold.record()), size=size, **rest)
