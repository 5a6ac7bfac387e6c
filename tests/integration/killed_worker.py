"""
An intake or health worker that kills itself at a moment a test chooses. Run as a script by the crash tests.

`python killed_worker.py health BROKERS health.current.v1 3` dies by SIGKILL when its third append to that
topic is acknowledged; with 0 it runs until a signal, and with `inside` it dies at the first step that ends
within a tick.
"""

import os
import signal
import sys
from typing import Any

import agents.health
import agents.intake
from agents.app import make_app
from agents.worker import run_worker
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.structured_logs import configure
from pipeline.wire.contract import Contract
from pipeline.wire.position import PARTITION_RECORD, unpack_position
from pipeline.wire.registry import EmbeddedRegistry

PARTITIONS = 4
SESSION_SECONDS = 4.0
STEP_BYTES = 4_000
INSIDE = "inside"


def die_at(module: Any, topic: str, moment: str) -> None:
    """
    Let *module* die at its append to *topic* of that number, ticks not counted, or at one `inside` a tick.
    """
    append, left = module.append, 1 if moment == INSIDE else int(moment)

    async def appending(app: Any, to: str, partition: int, records: Any, **options: Any) -> Any:
        nonlocal left
        written = await append(app, to, partition, records, **options)
        counts = is_inside_a_tick(records) if moment == INSIDE else records[0][0] != b""
        left -= to == topic and counts
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    module.append = appending


def is_inside_a_tick(records: Any) -> bool:
    """Whether a batch of states closes with a position between two timers of one tick."""
    key, value = records[-1][:2]
    return key == PARTITION_RECORD and unpack_position(value).timers_fired > 0


def main(kind: str, brokers: str, topic: str, moment: str) -> int:
    """Run the worker *kind*."""
    configure(process=kind)
    contract = Contract.load()
    registry = EmbeddedRegistry(contract)
    if moment != "0":
        die_at(agents.health if kind == "health" else agents.intake, topic, moment)
    app = make_app(
        f"telltale-{kind}",
        brokers=brokers,
        partitions=PARTITIONS,
        session_seconds=SESSION_SECONDS,
        heartbeat_seconds=0.5,
        commit_seconds=0.2,
    )
    worker: Any
    if kind == "health":
        worker = agents.health.HealthWorker(
            app, contract=contract, registry=registry, log_topic_id=str, step_bytes=STEP_BYTES
        )
    else:
        worker = agents.intake.IntakeWorker(
            app,
            contract=contract,
            registry=registry,
            pseudonyms=Pseudonyms(b"0123456789abcdef0123456789abcdef"),
            tick_seconds=3600,
            health_group="telltale-health",
        )
    return run_worker(app, prepared=worker.prepared)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
