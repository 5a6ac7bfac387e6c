"""
An intake or health worker that kills itself at a moment a test chooses. Run as a script by the crash tests.

`python killed_worker.py health BROKERS health.current.v1 3` dies by SIGKILL when its third append to that topic is
acknowledged; with 0 it runs until a signal.
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
from pipeline.wire.registry import EmbeddedRegistry

PARTITIONS = 4
SESSION_SECONDS = 4.0
STEP_BYTES = 4_000


def die_at(module: Any, topic: str, number: int) -> None:
    """Let *module* die at its append *number* to *topic*; its ticks are not counted."""
    append, left = module.append, number

    async def appending(app: Any, to: str, partition: int, records: Any, **options: Any) -> Any:
        nonlocal left
        written = await append(app, to, partition, records, **options)
        left -= to == topic and records[0][0] != b""
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    module.append = appending


def main(kind: str, brokers: str, topic: str, number: int) -> int:
    """Run the worker *kind*."""
    configure(process=kind)
    contract = Contract.load()
    registry = EmbeddedRegistry(contract)
    if number:
        die_at(agents.health if kind == "health" else agents.intake, topic, number)
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
            app, contract=contract, registry=registry, log_incarnation=str, step_bytes=STEP_BYTES
        )
    else:
        worker = agents.intake.IntakeWorker(
            app,
            contract=contract,
            registry=registry,
            pseudonyms=Pseudonyms(b"0123456789abcdef0123456789abcdef"),
            tick_seconds=3600,
        )
    return run_worker(app, prepared=worker.prepared)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], int(sys.argv[4])))
