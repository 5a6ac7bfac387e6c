"""Three brokers, three copies, two of which must have an append: one broker less changes nothing."""

import signal
import time
from collections.abc import Iterator

import pytest

from tests.faults.cluster import Cluster
from tests.faults.evidence import CHANGELOG
from tests.faults.generator import Load
from tests.faults.kafka.installation import HEALTH, Install
from tests.faults.report import FaultLine

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def test_b3_the_leader_of_a_changelog_frozen_and_the_workers_killed(
    cluster: Cluster, install: Install, line: FaultLine
) -> None:
    """
    Outputs are out, states are not, and who knew of both is dead: nothing is lost, and no output comes out
    differently.

        leader   |-- load --|zzzzzzzzzzzzzzzzzzzz|-- no longer the leader --
        health-1 |-- load ------x  |-- recovers from who leads now --
        health-2 |-- load ------x  |-- the same --
    """
    telltale = install(cluster.bootstrap, session_seconds=10.0)
    with telltale.running(), Load(telltale.feeder, telltale.traffic.events(9_000), per_second=150) as load:
        time.sleep(5)
        leader = cluster.leader_of(telltale.prefix + CHANGELOG, 0)
        leader.send_signal(signal.SIGSTOP)
        line.fault("SIGSTOP leader 20 s")
        try:
            time.sleep(2)
            for name in HEALTH:
                telltale.supervisor.kill(name)
                line.fault("kill -9 health")
            time.sleep(18)
        finally:
            leader.send_signal(signal.SIGCONT)
        load.finish()
        telltale.lag_0(120)
        telltale.judge()


def test_b3_each_broker_killed_in_turn(cluster: Cluster, install: Install, line: FaultLine) -> None:
    """Leaders and coordinators move; a worker killed while they do finds its state with their successors."""
    telltale = install(cluster.bootstrap, session_seconds=10.0)
    with telltale.running(), Load(telltale.feeder, telltale.traffic.events(9_000), per_second=150) as load:
        for number, broker in cluster.brokers.items():
            time.sleep(4)
            broker.kill()
            line.fault("kill -9 broker")
            if number == 2:
                telltale.supervisor.kill("health-1")
                telltale.supervisor.kill("intake-1")
                line.fault("kill -9 health and intake")
            time.sleep(4)
            broker.start()
        load.finish()
        telltale.lag_0(120)
        telltale.judge()
