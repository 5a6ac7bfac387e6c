"""Workers that come, go, freeze and die on a real broker, two of each kind and more."""

import time

import pytest

from tests.faults.cluster import ProxiedKafka
from tests.faults.generator import Load
from tests.faults.kafka.installation import HEALTH, INTAKE, SINKS, Install
from tests.faults.report import FaultLine

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(300)]

BACK_WITHIN_SECONDS = 30.0
"""How soon the partitions of a worker that was killed have to be processed again."""


def test_c3_a_health_worker_frozen_for_longer_than_its_session(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """
    Another takes over; what the frozen one still wants to write when it wakes up changes nothing.

        health-1 |-- load ----|zzzzzzzzzzzz|-- writes on, or is stopped by its lease --
        health-2 |-- load ---------|-- all partitions -------------------------------
    """
    telltale = install(wounded.bootstrap)
    with telltale.running():
        with Load(telltale.feeder, telltale.traffic.events(7_500), per_second=300) as load:
            time.sleep(4)
            telltale.supervisor.freeze("health-1")
            line.fault("SIGSTOP health 14 s")
            time.sleep(14)
            telltale.supervisor.thaw("health-1")
            load.finish()
        telltale.lag_0(60)
        telltale.judge()


def test_r1_scaled_from_one_to_three_and_back_by_sigterm(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """
    Nobody who joins or leaves in order makes an event count twice, a hot account's neither.

        |-- 1 --|-- 1, 2, 3 --|-- 3 --|    of both kinds of workers, half of all events for one account
    """
    # A hot account has more events in a backlog than ids are remembered, so its sources do not repeat
    # themselves here.
    telltale = install(wounded.bootstrap, hot=0.5, duplicates=0.0)
    with telltale.running("intake-1", "health-1", *SINKS):
        with Load(telltale.feeder, telltale.traffic.events(9_000), per_second=300) as load:
            more = ("intake-2", "health-2", "intake-3", "health-3")
            telltale.start(*more)
            telltale.ready(*more)
            line.fault("scale 1-3 of both kinds")
            time.sleep(3)
            telltale.stop("intake-1", "health-1")
            telltale.stop("intake-2", "health-2")
            line.fault("scale 3-1 of both kinds")
            load.finish()
        telltale.lag_0(60)
        telltale.judge()


def test_r2_killed_one_after_the_other_in_three_rounds(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """
    With the session that is the default, every partition is processed again within 30 seconds of a kill -9.
    """
    telltale = install(wounded.bootstrap, session_seconds=20.0)
    with telltale.running():
        with Load(telltale.feeder, telltale.traffic.events(40_000), per_second=300) as load:
            for number in range(3):
                telltale.progress.forget()
                for victim in (HEALTH[number % 2], INTAKE[number % 2], SINKS[number % 2]):
                    telltale.supervisor.kill(victim)
                    line.fault(f"kill -9 {victim.partition('-')[0]}")
                    time.sleep(1)
                time.sleep(BACK_WITHIN_SECONDS)
                telltale.no_stall_above(BACK_WITHIN_SECONDS)
            del load
        telltale.lag_0(60)
        telltale.judge()


def test_u1_restarted_one_by_one_under_load(wounded: ProxiedKafka, install: Install, line: FaultLine) -> None:
    """A rolling upgrade: each process is stopped in order, and the next one only when it is back."""
    telltale = install(wounded.bootstrap)
    with telltale.running():
        with Load(telltale.feeder, telltale.traffic.events(20_000), per_second=300):
            for name in (*SINKS, *HEALTH, *INTAKE):
                telltale.stop(name)
                telltale.start(name)
                telltale.ready(name)
                line.fault("rolling restart")
        telltale.lag_0(60)
        telltale.judge()
