"""
Everything at once, at random: any process killed or frozen at any time, the broker and Postgres too, and then
the sums.

``FAULT_EVENTS`` in the environment sets how many events (60,000), ``--fault-seed`` the seed of the random
faults.
"""

import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.embedded.postgres import EmbeddedPostgres
from tests.faults.cluster import ProxiedKafka
from tests.faults.generator import Load
from tests.faults.kafka.installation import HEALTH, INTAKE, SINKS, Installation
from tests.faults.report import FaultLine

EVENTS = int(os.environ.get("FAULT_EVENTS", "60000"))
PER_SECOND = 500
ACCOUNTS = 400
BACK_WITHIN_SECONDS = 30.0

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.faults,
    pytest.mark.timeout(300 + 3 * EVENTS / PER_SECOND),
]


@pytest.fixture
def fragile_postgres() -> Iterator[EmbeddedPostgres]:
    """A server of its own, which can be stopped and has its data when it is back."""
    with tempfile.TemporaryDirectory(prefix="random-faults-postgres-") as folder:
        Path(folder).chmod(0o755)  # The server does not run as root.
        with EmbeddedPostgres(Path(folder)) as running:
            yield running


class RandomFaults:
    """Does one harm after the other, and mends each when its time has come."""

    def __init__(self, telltale: Installation, kafka: ProxiedKafka, postgres: EmbeddedPostgres) -> None:
        self._telltale, self._kafka, self._postgres = telltale, kafka, postgres
        self._rng = random.Random(telltale.traffic.seed)
        self._to_mend: dict[str, tuple[float, Callable[[], object]]] = {}
        self._harms: dict[Callable[[], None], int] = {
            self._kill: 8,
            self._freeze: 5,
            self._kill_broker: 2,
            self._freeze_broker: 2,
            self._stop_postgres: 2,
        }

    def rage(self, load: Load) -> None:
        """Do harm every few seconds until the load is over; then mend all of it."""
        while load.running:
            [harm] = self._rng.choices(list(self._harms), list(self._harms.values()))
            harm()
            calm_until = time.monotonic() + self._rng.uniform(1.0, 6.0)
            while time.monotonic() < calm_until:
                self._mend(time.monotonic())
                time.sleep(0.1)
        self._mend(float("inf"))

    def _mend(self, now: float) -> None:
        for what, (due, mend) in list(self._to_mend.items()):
            if due <= now:
                del self._to_mend[what]
                mend()

    def _mend_later(self, what: str, seconds: float, mend: Callable[[], object]) -> None:
        self._to_mend[what] = (time.monotonic() + seconds, mend)

    def _somebody(self) -> str:
        return self._rng.choice((*INTAKE, *HEALTH, *SINKS))

    def _kill(self) -> None:
        victim = self._somebody()
        self._to_mend.pop(victim, None)
        self._telltale.supervisor.kill(victim, restart_after=self._rng.uniform(0.0, 5.0))
        self._note(f"kill -9 {victim}")

    def _freeze(self) -> None:
        victim = self._somebody()
        if victim not in self._to_mend:
            self._telltale.supervisor.freeze(victim)
            self._mend_later(
                victim, self._rng.uniform(1.0, 16.0), lambda: self._telltale.supervisor.thaw(victim)
            )
            self._note(f"SIGSTOP {victim}")

    def _kill_broker(self) -> None:
        if "broker" not in self._to_mend:
            self._kafka.broker.kill()
            self._mend_later("broker", self._rng.uniform(0.0, 8.0), self._kafka.broker.start)
            self._note("kill -9 broker")

    def _freeze_broker(self) -> None:
        if "broker" not in self._to_mend:
            broker = self._kafka.broker
            broker.send_signal(signal.SIGSTOP)
            self._mend_later(
                "broker", self._rng.uniform(2.0, 15.0), lambda: broker.send_signal(signal.SIGCONT)
            )
            self._note("SIGSTOP broker")

    def _stop_postgres(self) -> None:
        if "postgres" not in self._to_mend:
            self._postgres.stop()
            self._mend_later("postgres", self._rng.uniform(1.0, 12.0), self._postgres.start)
            self._note("stop postgres")

    def _note(self, what: str) -> None:
        self._telltale.line.fault(what.rstrip("-12"))


def test_everything_at_random(
    wounded: ProxiedKafka, fragile_postgres: EmbeddedPostgres, tmp_path: Path, line: FaultLine, seed: int
) -> None:
    """
    Zero lost, zero doubled, versions without gaps, state and Postgres equal; and back soon after the last
    blow.

        |-- load, duplicates, disorder, x zz x b p x zz x --| kill -9 one of each |-- 30 s --| lag 0
    """
    telltale = Installation(
        wounded.bootstrap, fragile_postgres.dsn, tmp_path, line=line, seed=seed, accounts=ACCOUNTS
    )
    everybody = (*INTAKE, *HEALTH, *SINKS)
    with telltale.running():
        with Load(telltale.feeder, telltale.traffic.events(EVENTS), per_second=PER_SECOND) as load:
            RandomFaults(telltale, wounded, fragile_postgres).rage(load)
        telltale.ready(*everybody)
        telltale.progress.forget()
        for victim in (INTAKE[0], HEALTH[0], SINKS[0]):
            telltale.supervisor.kill(victim)
            line.fault(f"kill -9 {victim.partition('-')[0]}")
        telltale.feeder.send_all(telltale.traffic.events(3_000), per_second=PER_SECOND)
        telltale.lag_0(90)
        telltale.ready(*everybody)
        telltale.no_stall_above(BACK_WITHIN_SECONDS)
        telltale.judge()
