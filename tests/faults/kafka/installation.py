"""
One Telltale on a real Kafka: its topics under a prefix of its own, its tables, its processes, and what was
sent to it.

Each test has one of its own, on a broker they share. At rest the oracle says whether it kept its promises.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from tests.faults.evidence import LOG, Evidence, gather
from tests.faults.generator import TOPICS, Feeder, Traffic
from tests.faults.ground_truth import GroundTruth
from tests.faults.kafka.progress import GroupView, Progress
from tests.faults.kafka.supervisor import Supervisor
from tests.faults.oracle import judge
from tests.faults.report import FaultLine
from tests.faults.settling import wait_for_lag_0
from tests.integration.command_line import PSEUDONYM_KEY, Telltale

PARTITIONS = 4
SESSION_SECONDS = 6.0
"""The least the settings allow: tests wait for it often."""

INTAKE = ("intake-1", "intake-2")
HEALTH = ("health-1", "health-2")
SINKS = ("sink-1", "sink-2")

_LOOK_SECONDS = 0.2
_WORDS = {"intake": ("worker", "intake"), "health": ("worker", "health"), "sink": ("sink", "postgres")}


class Installation:
    """
    A pipeline on the broker at *brokers*, whose processes come in at *entrance* (a proxy, or the same).

    *seed* is that of its traffic; ``line`` is the test's line in the table.
    """

    def __init__(
        self,
        brokers: str,
        database: str,
        folder: Path,
        *,
        line: FaultLine,
        seed: int,
        entrance: str = "",
        session_seconds: float = SESSION_SECONDS,
        accounts: int = 60,
        **traffic: Any,
    ) -> None:
        self.brokers, self.database, self.line = brokers, database, line
        words = "".join(dead_letter if dead_letter.isalnum() else "-" for dead_letter in line.name)
        self.prefix = f"{words[:60]}-{time.time_ns() % 10**9}-"
        self.telltale = Telltale(brokers=brokers, database_url=database, prefix=self.prefix)
        self.traffic = Traffic(seed, accounts=accounts, **traffic)
        self.feeder = Feeder(brokers, GroundTruth(), prefix=self.prefix)
        self.supervisor = Supervisor(
            {
                "TELLTALE_BROKERS": entrance or brokers,
                "TELLTALE_DATABASE_URL": database,
                "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
                "TELLTALE_PARTITIONS": str(PARTITIONS),
                "TELLTALE_TICK_SECONDS": "0.5",
                "TELLTALE_SESSION_SECONDS": str(session_seconds),
                "TELLTALE_TOPIC_PREFIX": self.prefix,
                "TELLTALE_CONFIG": "",
            },
            folder,
        )

    # -- life

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """
        Prepare topics, tables and scorecards, send the accounts, start *names* (all), and stop whatever is
        left.
        """
        for words in (("topics", "apply"), ("db", "upgrade"), ("scorecards", "apply")):
            answer = self.telltale(*words)
            assert answer.code == 0, answer.err
        self.feeder.send_all(self.traffic.facts())
        self.intake = self._view("intake", TOPICS.values())
        self.progress = Progress({"intake": self.intake, "health": self._view("health", [LOG])})
        with self.supervisor, self.progress:
            try:
                members = names or (*INTAKE, *HEALTH, *SINKS)
                self.start(*members)
                self.ready(*members)
                yield
            finally:
                self._tell()

    def _view(self, kind: str, topics: Iterable[str]) -> GroupView:
        return GroupView(
            self.brokers, f"{self.prefix}telltale-{kind}", [self.prefix + topic for topic in topics]
        )

    def start(self, *names: str) -> None:
        """Start processes by names such as ``health-3``."""
        for name in names:
            self.supervisor.start(name, *_WORDS[name.partition("-")[0]])

    def stop(self, *names: str) -> None:
        """
        SIGTERM to *names* and wait; an end that takes too long or has another code than 0 breaks a promise.
        """
        known = len(self.supervisor.ends)
        for name, seconds in self.supervisor.stop(*names).items():
            if seconds > 20.0:
                self.line.violations.append(f"C4: {name} took {seconds:.0f} s to stop")
        for end in self.supervisor.ends[known:]:
            if end.asked and end.code != 0:
                self.line.violations.append(f"C4: {end.name} ended with code {end.code} after SIGTERM")

    # -- waiting

    def ready(self, *names: str, within: float = 120.0) -> None:
        """Wait until *names* process partitions."""
        deadline = time.monotonic() + within
        for name in names:
            while not self.supervisor.is_ready(name):
                if time.monotonic() > deadline:
                    self.supervisor.abort(name)
                    time.sleep(_LOOK_SECONDS)
                    raise AssertionError(f"{name} is not ready after {within:.0f} s")
                time.sleep(_LOOK_SECONDS)

    def lag_0(self, within: float, *, since: float | None = None) -> None:
        """
        Wait until all that was sent stands in Postgres, and note the seconds since *since*, or since the
        call.
        """
        self.line.seconds_to_lag_0 = self._settled(within, since)

    def _settled(self, within: float, since: float | None = None) -> float:
        started = time.monotonic()
        while True:
            try:
                return wait_for_lag_0(
                    self.brokers,
                    prefix=self.prefix,
                    database=self.database,
                    seconds=started + within - time.monotonic(),
                    since=started if since is None else since,
                )
            except KafkaException:  # A broker that has just come back does not lead its partitions yet.
                if time.monotonic() > started + within:
                    raise
                time.sleep(_LOOK_SECONDS)

    def no_stall_above(self, seconds: float) -> None:
        """
        It breaks a promise if a partition with records stood still for longer since ``progress.forget``.
        """
        for group, (stood, place) in self.progress.longest_stall().items():
            print(f"{group}: the longest stall took {stood:.1f} s")  # noqa: T201 - `pytest -rP` shows it
            if stood > seconds:
                self.line.violations.append(f"I6: {place} of {group} stood still for {stood:.0f} s")

    def refused(self, name: str, code: int, *words: str, within: float = 60.0) -> None:
        """
        Wait until *name* ends by itself with *code*, having said *words*; anything else breaks a promise.
        """
        ended = self.supervisor.wait_for_end(name, within)
        last = (self.supervisor.said(name).strip().splitlines() or [""])[-1]
        if ended != code or not all(word in last for word in words):
            self.line.violations.append(
                f"{name} should end with code {code} and say {words}: {ended}, {last!r}"
            )

    # -- judging

    def rest(self) -> None:
        """Stop everything in order, each after it has done what came before it."""
        self.ready(*self.supervisor.names)  # One that still starts would not know SIGTERM yet.
        # One kind after the other: the later ones still read what the stop of the earlier ones leaves behind.
        for kind in ("intake", "health", "sink"):
            self._settled(60.0)
            self.stop(*(name for name in self.supervisor.names if name.startswith(kind)))

    def evidence(self) -> Evidence:
        """What there is to be read."""
        return gather(self.brokers, prefix=self.prefix)

    def judge(self) -> None:
        """Bring everything to rest, hold it against the ground truth, and fail with what is broken."""
        self.rest()
        ground_truth = self.feeder.ground_truth
        self.line.violations += judge(ground_truth, self.evidence(), database=self.database)
        self.line.events = sum(send.verdict == "ok" for send in ground_truth.sends)
        self.line.check()

    def _tell(self) -> None:
        """Print the last words of every process; pytest shows them when the test fails."""
        for end in self.supervisor.ends:
            print(end)  # noqa: T201
        for name in sorted({*self.supervisor.names, *(end.name for end in self.supervisor.ends)}):
            said = self.supervisor.said(name)
            print(f"--- {name}\n{said[-4000:]}")  # noqa: T201


Install = Callable[..., Installation]
"""Makes the test's installation on a broker; see ``Installation`` for its options."""
