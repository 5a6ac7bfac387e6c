"""
The pipeline that fault tests break: intake, health and sink as processes of their own, started as in
production.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from tests.faults.evidence import gather
from tests.faults.generator import CANARY, Feeder
from tests.faults.ground_truth import GroundTruth
from tests.faults.oracle import judge
from tests.faults.report import FaultLine
from tests.faults.settling import wait_for_lag_0
from tests.integration.command_line import Telltale
from tests.integration.running_pipeline import RunningPipeline

COMMANDS: Final = {
    "intake": ("worker", "intake"),
    "health": ("worker", "health"),
    "sink": ("sink", "postgres"),
}
KILLED_WORKER: Final = Path(__file__).parents[1] / "integration" / "killed_worker.py"
STOP_SECONDS: Final = 20.0
"""Longest an orderly stop may take."""


class Stage:
    """
    Processes by name, in a with-block that leaves none behind, and the *feeder* that sends to them.

    *log* is the file of all that they say. *database* None leaves the sink out. What happens goes into
    *line*.
    """

    def __init__(
        self, line: FaultLine, log: Path, *, brokers: str, database: str | None = None, prefix: str = ""
    ) -> None:
        self.line, self.brokers, self.database, self.prefix = line, brokers, database, prefix
        self.ground_truth = GroundTruth()
        self.feeder = Feeder(brokers, self.ground_truth, prefix=prefix, message_max_bytes=2_000_000)
        self.pipeline = RunningPipeline(brokers, database or "", log, prefix)
        self.telltale = Telltale(brokers=brokers, database_url=database or "", prefix=prefix)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        prepare = [("topics", "apply"), ("scorecards", "apply")]
        for words in prepare + ([("db", "upgrade")] if self.database else []):
            answer = self.telltale(*words)
            assert answer.code == 0, answer.err
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        print(self.pipeline.log.read_text()[-20_000:])  # noqa: T201 - pytest shows it when the test fails

    def start(self, *names: str) -> None:
        """Start these processes, or all; ``sink-2`` is another of the kind. Readiness is not awaited."""
        for name in names or (name for name in COMMANDS if self.database or name != "sink"):
            self.running[name] = self.pipeline.start(*COMMANDS[name.partition("-")[0]])

    def kill(self, name: str) -> None:
        """End a process by SIGKILL and wait for its end."""
        self.running[name].kill()
        assert self.running.pop(name).wait() == -signal.SIGKILL

    def stop(self, name: str) -> float:
        """End a process by SIGTERM; returns the seconds it took, which have to be few."""
        started = time.monotonic()
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0, f"{name} did not end in order"
        return time.monotonic() - started

    def ready(self, name: str, times: int = 1, seconds: float = 90.0) -> None:
        """Wait until *name* has said so many times since the beginning that it is ready to process."""
        said, deadline = f"telltale-{name} is ready", time.monotonic() + seconds
        while self.pipeline.log.read_text().count(said) < times:
            self.watch()
            assert time.monotonic() < deadline, f"{name} was not ready within {seconds:.0f} s"
            time.sleep(0.05)

    def watch(self) -> None:
        """Fail if a process has ended that should be running."""
        for name, process in self.running.items():
            assert process.poll() is None, f"{name} ended by itself, exit code {process.returncode}"

    def lag_0(self, *, since: float | None = None, seconds: float = 120.0) -> None:
        """Wait until everything sent is processed, and note how long it took."""
        self.line.seconds_to_lag_0 = wait_for_lag_0(
            self.brokers,
            prefix=self.prefix,
            database=self._stored_by_us(),
            seconds=seconds,
            since=since,
            watch=self.watch,
        )

    def rest(self) -> None:
        """Stop everything in the order of the flow, each after it has done what came before it."""
        for kind in COMMANDS:
            for name in [name for name in self.running if name.partition("-")[0] == kind]:
                wait_for_lag_0(
                    self.brokers, prefix=self.prefix, database=self._stored_by_us(), watch=self.watch
                )
                self.stop(name)

    def _stored_by_us(self) -> str | None:
        """The database, as long as a sink is running, whichever."""
        return self.database if any(name.startswith("sink") for name in self.running) else None

    def judge(self, **options: bool) -> None:
        """Bring all to rest, hold it against the ground truth, fail the test if a promise is broken."""
        self.rest()
        line, found = self.line, gather(self.brokers, prefix=self.prefix)
        line.events = sum(send.verdict == "ok" for send in self.ground_truth.sends)
        line.violations += judge(self.ground_truth, found, database=self.database, **options)
        if CANARY in self.pipeline.log.read_text():
            line.violations.append("I7: a log line holds an e-mail address or a comment")
        verified = self.telltale("verify", "--no-database")
        if verified.code != 0:
            line.violations.append(f"verify: {verified.out}{verified.err}")
        line.check()


def kill_behind(kind: str, brokers: str, topic: str, append: int) -> None:
    """Run a worker that is killed as soon as its append to *topic* of that number is acknowledged."""
    command = [sys.executable, str(KILLED_WORKER), kind, brokers, topic, str(append)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
