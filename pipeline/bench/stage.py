"""
Where a measurement takes place: a broker of its own, topics under a prefix of their own, workers as
processes.

Everything is on 127.0.0.1, and gone when the stage is left; only a broker that was there before keeps our
topics.
"""

import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline.bench.machine import Sampler, Usage, only_child
from pipeline.embedded.guard import GuardedProcess
from pipeline.embedded.kafka_local import LocalKafka
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.errors import TelltaleError
from pipeline.kafka.client import KafkaFailed, client_configuration
from pipeline.kafka.records import group_lag, offsets
from pipeline.kafka.topics import TopicPlan, apply_topics
from pipeline.ops.topic_plan import planned_topics
from pipeline.settings import PREFIX, Security
from pipeline.wire.contract import Contract

PARTITIONS: Final = 8
"""Of every topic: enough for the polls of one worker to alternate, few enough for a small machine."""

PSEUDONYM_KEY: Final = "the key of the benchmark, no secret"

_STUCK_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 1.0
_LAST_WORDS: Final = 15

Say = Callable[[str], None]


class BenchFailed(TelltaleError):  # noqa: N818 - reads as what happened
    """Something that is measured died, or does not get on."""


class Stage:
    """A broker's address, a folder for logs, and *say*, which takes a line about the progress."""

    def __init__(self, brokers: str, folder: Path, say: Say) -> None:
        self.brokers = brokers
        self.folder = folder
        self.say = say
        self.client = client_configuration(brokers, Security())
        self._token = os.urandom(3).hex()
        self._prefixes = 0
        self._workers = ExitStack()

    def contract(self) -> Contract:
        """The contract under a prefix that nobody else has; all prefixes are of the same length."""
        self._prefixes += 1
        return Contract.load(f"bench-{self._token}-{self._prefixes:03}.")

    def make_topics(
        self, contract: Contract, names: Collection[str] | None = None, *, more: Collection[TopicPlan] = ()
    ) -> None:
        """
        Make the topics of *contract*, or those of them that are in *names*, and *more*.

        As in production, with two differences: every topic has ``PARTITIONS`` partitions, and the changelog
        bears the broker's time, which tells when a state was there.
        """
        planned = [*planned_topics(contract, PARTITIONS), *more]
        plans = [
            replace(
                plan,
                partitions=PARTITIONS,
                settings={**plan.settings, "message.timestamp.type": "LogAppendTime"},
            )
            for plan in planned
            if names is None or plan.name in names or plan in more
        ]
        apply_topics(self.client, plans)
        give_up_at = time.monotonic() + _STUCK_SECONDS
        while True:
            try:
                offsets(self.client, [plan.name for plan in plans])
            except KafkaFailed:  # Partitions are in the metadata a moment before they have leaders.
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.1)
            else:
                return

    def start(self, *words: str, prefix: str, **environment: str) -> "Worker":
        """Start ``python -m`` *words* with the settings of this stage, and *environment* on top of them."""
        port = free_port()
        settings = {
            "TELLTALE_BROKERS": self.brokers,
            "TELLTALE_TOPIC_PREFIX": prefix,
            "TELLTALE_PARTITIONS": str(PARTITIONS),
            "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
            "TELLTALE_METRICS_PORT": str(port),
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        worker = Worker(
            words, {**others, **settings, **environment}, log=self.folder / f"{port}.log", port=port
        )
        return self._workers.enter_context(worker)

    def wait_until_read(self, group: str, topics: Collection[str], *workers: "Worker") -> None:
        """Return when *group* has committed everything that is in *topics*; the *workers* must live."""
        left, moved_at = -1, time.monotonic()
        while left:
            time.sleep(_LOOK_SECONDS)
            for worker in workers:
                worker.check()
            before = left
            # A broker that has just started finds the group's coordinator some moments later.
            with suppress(KafkaFailed):
                left = sum(lag.records for lag in group_lag(self.client, group, list(topics)))
            if left != before:
                moved_at = time.monotonic()
            elif time.monotonic() > moved_at + _STUCK_SECONDS:
                raise BenchFailed(
                    f"{group} has not got on for {_STUCK_SECONDS:.0f} s, {left} records before the end",
                    hint=f"What the workers said:\n{''.join(worker.last_words() for worker in workers)}",
                )

    def close(self) -> None:
        """Stop every worker."""
        self._workers.close()


class Worker:
    """A process under measurement, started at construction; ``with`` stops it in order."""

    def __init__(self, words: tuple[str, ...], environment: dict[str, str], *, log: Path, port: int) -> None:
        self._words = words
        self._log = log
        self._port = port
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self._process = GuardedProcess(
                (sys.executable, "-m", *words), environment=environment, output=output, grace_seconds=30.0
            )
        pid = only_child(self._process.guard_pid)
        self._sampler = None if pid is None else Sampler(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it in order, and wait; may be called again."""
        self._process.stop()
        self._forget()

    def kill(self) -> None:
        """End it with SIGKILL, and wait."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._forget()

    def wait_until_ready(self) -> float:
        """Return how many seconds after its start it said on /readyz that it is ready."""
        while not self._is_ready():
            self.check()
            time.sleep(0.02)
        return time.monotonic() - self.started_at

    def usage(self, begin: float, end: float) -> Usage | None:
        """What it used between two moments of the wall clock, in seconds; None where that cannot be seen."""
        return None if self._sampler is None else self._sampler.usage(begin, end)

    def check(self) -> None:
        """Raise BenchFailed if it has ended."""
        code = self._process.poll()
        if code is not None:
            raise BenchFailed(
                f"{' '.join(self._words)} ended with exit code {code}", hint=f"It said:\n{self.last_words()}"
            )

    def said(self) -> str:
        """All it has printed."""
        return self._log.read_text(errors="replace")

    def last_words(self) -> str:
        """The end of what it has printed."""
        return "".join(f"  {line}\n" for line in self.said().splitlines()[-_LAST_WORDS:])

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}/readyz", timeout=1.0) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _forget(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()


@contextmanager
def open_stage(brokers: str, say: Say) -> Iterator[Stage]:
    """
    A stage on *brokers*, or, if that is empty, on an Apache Kafka of its own with its data in a temporary
    folder.
    """
    with tempfile.TemporaryDirectory(prefix="telltale-bench-") as folder, ExitStack() as parts:
        if not brokers:
            say("starting Apache Kafka")
            kafka = parts.enter_context(LocalKafka(Path(folder) / "kafka"))
        stage = Stage(brokers or kafka.bootstrap, Path(folder), say)
        parts.callback(stage.close)
        yield stage
