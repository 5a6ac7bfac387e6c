"""What the releases in ``logs/`` wrote, as they wrote it; no option of pytest ever writes there."""

import base64
import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.health.events import LogEntry
from pipeline.health.fold import PartitionFold
from pipeline.health.versions import FOLD_VERSION, Output
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import OutputDecoder, OutputEncoder
from pipeline.wire.registry import EmbeddedRegistry

LOGS = Path(__file__).with_name("logs")
RELEASES = sorted(path.name for path in LOGS.iterdir())
FOLD_VERSIONS = {"1e00a40": 2, "c55cabc": 1}
"""The arithmetic each release had; what it scored is only repeated by the same one."""
SAME_SCORES = {2, FOLD_VERSION}
"""
Arithmetics that give the same scores, alerts and times; what they tell otherwise says ``told_otherwise``.
"""

CONTRACT = Contract.load()
REGISTRY = EmbeddedRegistry(CONTRACT)
TOPICS = {
    "log": CONTRACT.log.name,
    "changelog": "telltale-health-state-changelog",
    "change": CONTRACT.change.name,
    "current": CONTRACT.current.name,
    "alert": CONTRACT.alert.name,
}


@dataclass(frozen=True)
class Written:
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes
    value: bytes


def written(release: str, what: str) -> list[Written]:
    """
    The records of a topic, partition by partition: ``log``, ``changelog``, ``change``, ``current`` or
    ``alert``.
    """
    with gzip.open(LOGS / release / f"{what}.ndjson.gz", "rt", encoding="utf-8") as file:
        rows = map(json.loads, file)
        return [
            Written(
                row["partition"], row["offset"], base64.b64decode(row["key"]), base64.b64decode(row["value"])
            )
            for row in rows
        ]


def told_otherwise(release: str, row: dict[str, Any]) -> set[str]:
    """
    Fields of an output *row* of *release* that this one tells otherwise: since fold version 3, what forced a
    band.
    """
    if FOLD_VERSIONS[release] == FOLD_VERSION:
        return set()
    return {"fold_version", "evidence"} if " forced by " in row.get("reason", "") else {"fold_version"}


def log_of(release: str) -> dict[int, list[tuple[str, LogEntry]]]:
    """The entries of each partition with their accounts."""
    decode = LogCodec(CONTRACT, REGISTRY).decode
    partitions: dict[int, list[tuple[str, LogEntry]]] = defaultdict(list)
    for record in written(release, "log"):
        partitions[record.partition].append((record.key.decode(), decode(record.value)))
    return partitions


def fold_on(fold: PartitionFold, entries: list[tuple[str, LogEntry]]) -> list[tuple[str, Output]]:
    """Let *fold* take those of *entries* that it has not seen; what it hands out."""
    for offset in range(fold.next_offset, len(entries)):
        account_id, entry = entries[offset]
        fold.take(account_id, entry, offset)
    return fold.take_step().outputs


def folded(release: str) -> tuple[dict[int, PartitionFold], dict[str, list[dict[str, Any]]]]:
    """
    The whole log folded: the folds, and what came out for each topic as readers see it, in order of
    partitions.
    """
    encode, decode = OutputEncoder(CONTRACT, REGISTRY).encode, OutputDecoder(CONTRACT, REGISTRY).decode
    names = {topic: what for what, topic in TOPICS.items()}
    folds, outputs = {}, defaultdict(list)
    for partition, entries in sorted(log_of(release).items()):
        fold = folds[partition] = PartitionFold(partition, read_documents)
        for _, output in fold_on(fold, entries):
            topic, value = encode(output)
            outputs[names[topic]].append(decode(topic, value))
    return folds, outputs
