"""``telltale doctor`` on Apache Kafka, which names the members of a group: who is dead is told at once."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.embedded.kafka_local import LocalKafka, kafka_unavailable
from tests.integration.command_line import Telltale
from tests.integration.running_pipeline import RunningPipeline

PREFIX = "looked-at-"


@pytest.mark.kafka
@pytest.mark.timeout(240)
@pytest.mark.skipif(kafka_unavailable() is not None, reason=str(kafka_unavailable()))
def test_a_killed_intake_is_a_failure_though_nothing_is_unread(
    kafka: LocalKafka, postgres: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    Its member counts for its session, then the group is empty; the other stages are well all along.

        |--- all alive: ok ---| kill -9 intake |--- session ---| FAIL
    """
    telltale = Telltale(brokers=kafka.bootstrap, database_url=postgres, prefix=PREFIX)
    pipeline = RunningPipeline(kafka.bootstrap, postgres, tmp_path / "log", prefix=PREFIX)
    for prepare in (("topics", "apply"), ("db", "upgrade"), ("scorecards", "apply")):
        assert telltale(*prepare).code == 0
    commands = {"intake": ("worker", "intake"), "health": ("worker", "health"), "sink": ("sink", "postgres")}
    workers = {name: pipeline.start(*words) for name, words in commands.items()}

    def says() -> str:
        return telltale("doctor").out

    try:
        eventually(lambda: telltale("doctor").code == 0, 90)
        well = says()
        workers["intake"].kill()
        eventually(lambda: "looked-at-telltale-intake has no live member, 0 records unread" in says(), 60)
        dead = telltale("doctor")
    finally:
        for worker in workers.values():
            worker.send_signal(signal.SIGTERM)
        for worker in workers.values():
            worker.wait(40)
        print(pipeline.log.read_text()[-20_000:])  # noqa: T201 - pytest shows it when the test fails

    for group in ("intake", "health", "sink-postgres"):
        assert f"ok    groups      looked-at-telltale-{group}: live members: 1," in well
    assert dead.code == 1
    assert "Start `telltale worker intake`." in dead.out
    assert "ok    groups      looked-at-telltale-health: live members: 1" in dead.out
