"""
L3: a worker's clock is wrong. The core has none, so nothing it writes shows it; the clock of the intake
refuses.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.embedded.kafka_local import LocalKafka, kafka_unavailable
from pipeline.kafka.records import read_topic
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry
from tests.faults.generator import Traffic
from tests.faults.report import FaultLine
from tests.faults.stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SHIFTED = Path(__file__).with_name("shifted_worker.py")
MONTH, TWO_HOURS = 30 * 86_400, 7_200


def start_shifted(stage: Stage, name: str, seconds: int, since: str) -> None:
    """Start a worker whose clock is off by *seconds* since its *start*, or since it gets a *signal*."""
    with stage.pipeline.log.open("ab") as log:
        stage.running[name] = subprocess.Popen(
            [sys.executable, SHIFTED, str(seconds), since, "worker", name],
            env=stage.pipeline.environment,
            stdout=log,
            stderr=log,
        )


@pytest.mark.parametrize("seconds", [MONTH, -TWO_HOURS], ids=["a month ahead", "two hours behind"])
def test_l3_health_with_a_wrong_clock_writes_what_any_other_writes(
    streams: Stage, seed: int, seconds: int
) -> None:
    """
    Set in the middle of its work, and wrong from the start: bytes equal to a fold of the log in this process.
    """
    traffic = Traffic(seed, accounts=20)
    streams.feeder.send_all(traffic.facts())
    streams.start("intake")
    for starts, since in enumerate(("signal", "start"), 1):
        start_shifted(streams, "health", seconds, since)
        streams.ready("health", starts)
        streams.feeder.send_all(traffic.events(300), per_second=100)
        if since == "signal":
            streams.running["health"].send_signal(signal.SIGUSR1)
        streams.line.fault(f"health's clock {seconds} s off since {since}")
        streams.feeder.send_all(traffic.events(300), per_second=100)
        streams.lag_0()
        if since == "signal":
            streams.stop("health")
    streams.judge()


@pytest.mark.kafka
@pytest.mark.skipif(kafka_unavailable() is not None, reason=str(kafka_unavailable()))
def test_l3_the_clock_refuses_to_tick_a_wrong_time(
    kafka: LocalKafka, tmp_path: Path, line: FaultLine, seed: int, eventually: Callable[..., None]
) -> None:
    """
    An intake whose clock is set a month ahead stops telling time, for a tick that is in the log cannot be
    taken back.

        #
        | ticks | clock set | refused: no time passes, events go on | another intake, right clock | ticks |
    """
    prefix = "clock-"
    contract = Contract.load(prefix)
    codec = LogCodec(contract, EmbeddedRegistry(contract))
    client = {"bootstrap.servers": kafka.bootstrap}

    def newest_tick() -> int:
        values = [record.value for record in read_topic(client, contract.log.name) if record.value]
        return max((codec.decode(value).observed_at for value in values if codec.is_tick(value)), default=0)

    traffic = Traffic(seed, accounts=20)
    with Stage(line, tmp_path / "log", brokers=kafka.bootstrap, prefix=prefix) as stage:
        stage.feeder.send_all(traffic.facts())
        stage.start("health")
        start_shifted(stage, "intake", MONTH, since="signal")
        eventually(newest_tick, 60)
        stage.running["intake"].send_signal(signal.SIGUSR1)
        line.fault("intake's clock set a month ahead")
        eventually(lambda: "clock.refused" in stage.pipeline.log.read_text(), 60)
        stage.feeder.send_all(traffic.events(500))
        time.sleep(3)
        assert newest_tick() < time.time() * 1000
        stage.stop("intake")
        stage.start("intake")
        right = time.time() * 1000
        eventually(lambda: newest_tick() > right, 60)
        stage.lag_0()
        assert newest_tick() < time.time() * 1000
        stage.judge()
