"""One broker that is restarted, killed, away for long, or at the end of a bad line."""

import time

import pytest

from tests.faults.cluster import ProxiedKafka
from tests.faults.generator import Load
from tests.faults.kafka.installation import HEALTH, INTAKE, SINKS, Install
from tests.faults.proxy import PERFECT, Line
from tests.faults.report import FaultLine

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(300)]

AWAY_SECONDS = 35.0

LINES = (
    ("latency 300 ± 100 ms", Line(latency=0.3, jitter=0.1), 12.0),
    ("64 KB/s", Line(bandwidth=65_536), 12.0),
    ("slices of 1 to 5 bytes", Line(slices=5), 8.0),
    ("no answer comes back", Line(silent_to_clients=True), 15.0),
    ("no request arrives", Line(silent_to_server=True), 15.0),
)
"""What is wrong with the line, and for how long; a session takes 6 s."""


def test_b1_the_broker_restarted_and_killed_under_load(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """
    In turn stopped in order and killed, four times; at the end all is there, once.

        broker |-- load --|  |-- load --x    |-- load --|  |-- load --x    |-- lag 0 within a minute
    """
    telltale = install(wounded.bootstrap)
    # A send is given up later than the broker comes back: this is about the pipeline's memory, not the
    # generator's.
    with telltale.running(), Load(telltale.feeder, telltale.traffic.events(12_000), per_second=200) as load:
        for number in range(4):
            time.sleep(5)
            if number % 2:
                wounded.broker.kill()
                line.fault("kill -9 broker")
            else:
                wounded.broker.stop()
                line.fault("SIGTERM broker")
            wounded.broker.start()
        load.finish()
        telltale.lag_0(60)
        telltale.judge()


def test_b1_the_broker_away_for_longer_than_any_session(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """Nobody can write meanwhile; workers may have stopped, and are back when it is."""
    telltale = install(wounded.bootstrap)
    with telltale.running(), Load(telltale.feeder, telltale.traffic.events(6_000), per_second=300) as load:
        time.sleep(4)
        wounded.broker.kill()
        line.fault(f"broker away {AWAY_SECONDS:.0f} s")
        time.sleep(AWAY_SECONDS)
        wounded.broker.start()
        back = time.monotonic()
        load.finish()
        telltale.lag_0(60, since=back)
        telltale.judge()


def test_b1_workers_that_start_before_the_broker(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """They wait for it, without an end and a new start each."""
    telltale = install(wounded.bootstrap)
    with telltale.running():
        telltale.feeder.send_all(telltale.traffic.events(1_000))
        telltale.stop(*INTAKE, *HEALTH, *SINKS)
        wounded.broker.stop()
        telltale.start(*INTAKE, *HEALTH, *SINKS)
        line.fault("broker down at the start")
        time.sleep(15)
        wounded.broker.start()
        telltale.ready(*INTAKE, *HEALTH, *SINKS)
        line.violations += [f"did not wait: {end}" for end in telltale.supervisor.own_ends()]
        telltale.lag_0(60)
        telltale.judge()


def test_b2_between_workers_and_broker(wounded: ProxiedKafka, install: Install, line: FaultLine) -> None:
    """
    A line that is slow, thin, cut into pieces, or passes nothing in one direction: late, and nothing else.
    """
    telltale = install(wounded.bootstrap, entrance=wounded.proxied)
    with telltale.running():
        with Load(telltale.feeder, telltale.traffic.events(40_000), per_second=200):
            for what, bad, seconds in LINES:
                wounded.proxy.line = bad
                line.fault(f"{what} {seconds:.0f} s")
                try:
                    time.sleep(seconds)
                finally:
                    wounded.proxy.line = PERFECT
                telltale.lag_0(60)
        telltale.lag_0(60)
        telltale.judge()


def test_b2_connections_cut_again_and_again(wounded: ProxiedKafka, install: Install, line: FaultLine) -> None:
    """Whatever was under way is sent again, and is there once."""
    telltale = install(wounded.bootstrap, entrance=wounded.proxied)
    with telltale.running(), Load(telltale.feeder, telltale.traffic.events(5_000), per_second=200) as load:
        while load.running:
            time.sleep(1.5)
            wounded.proxy.reset()
            line.fault("all connections cut")
        telltale.lag_0(60)
        telltale.judge()
