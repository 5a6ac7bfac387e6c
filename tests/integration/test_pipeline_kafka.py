"""Two intake and two health workers on Apache Kafka: killed in mid-stream, they change no total."""

import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.embedded.kafka_local import LocalKafka, kafka_unavailable
from pipeline.kafka.records import read_topic
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD
from pipeline.wire.state import decode_account
from tests.integration.command_line import Telltale
from tests.integration.running_pipeline import Outsider, RunningPipeline, now_ms
from tests.integration.worker_log import key_and_value

EVENTS = 12_000
ACCOUNTS = 300
PREFIX = "killed-"


def a_login(number: int, account_id: str) -> dict[str, object]:
    return {
        "event_id": f"login-{number}",
        "occurred_at": now_ms() - 1000 - number % 5 * 86_400_000,
        "source": "app",
        "account_id": account_id,
        "external_id": None,
        "email": None,
        "user_id": f"user-{number % 50}",
        "channel": "WEB",
        "feature": None,
        "role": "USER",
    }


def logins_in_the_state(telltale: Telltale) -> Counter[str]:
    """Logins per account as the newest state of each says."""
    newest: dict[str, bytes] = {}
    for record in read_topic(telltale.client, f"{PREFIX}telltale-health-state-changelog"):
        if record.key not in {PARTITION_RECORD, SCORECARDS_RECORD}:
            key, value = key_and_value(record)
            newest[key.decode()] = value
    day = now_ms() // 86_400_000
    return Counter(
        {key: decode_account(value).logins.total(day - 10, day + 1) for key, value in newest.items()}
    )


@pytest.mark.kafka
@pytest.mark.timeout(240)
@pytest.mark.skipif(kafka_unavailable() is not None, reason=str(kafka_unavailable()))
def test_workers_killed_in_mid_stream_change_no_total(
    kafka: LocalKafka, postgres: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    Every login counts once; topics and Postgres are what an undisturbed fold of the log makes.

        |--- 1/3 ---| kill -9 health |--- 1/3 ---| kill -9 intake |--- 1/3 ---| until all is read
    """
    telltale = Telltale(brokers=kafka.bootstrap, database_url=postgres, prefix=PREFIX)
    pipeline = RunningPipeline(kafka.bootstrap, postgres, tmp_path / "log", prefix=PREFIX)
    for prepare in (("topics", "apply"), ("db", "upgrade"), ("scorecards", "apply")):
        assert telltale(*prepare).code == 0
    outsider = Outsider(kafka.bootstrap, PREFIX)
    rng, sent = random.Random(11), Counter[str]()
    names = [f"acc-{number}" for number in range(ACCOUNTS)]
    commands = {f"{kind}-{number}": ("worker", kind) for kind in ("intake", "health") for number in (1, 2)}
    workers = {name: pipeline.start(*words) for name, words in commands.items()}
    workers["sink"] = pipeline.start("sink", "postgres")
    try:
        for third, victim in enumerate(("health-1", "intake-1", None)):
            for number in range(third * EVENTS // 3, (third + 1) * EVENTS // 3):
                account_id = rng.choice(names)
                outsider.send("customer.login.v1", a_login(number, account_id))
                sent[account_id] += 1
            outsider.flush()
            if victim:
                eventually(lambda: len(logins_in_the_state(telltale)) > 0, 60)
                workers[victim].kill()
                workers[victim].wait()
                workers[victim] = pipeline.start(*commands[victim])
        eventually(lambda: logins_in_the_state(telltale) == sent, 90)
        compared = telltale("verify", "--no-database")
        newest = dict(outsider.read("health.current.v1"))
        versions = {key: value["version"] for key, value in newest.items()}
        eventually(
            lambda: dict(pipeline.rows("SELECT account_id, version FROM health_snapshot")) == versions, 60
        )
    finally:
        for worker in workers.values():
            worker.send_signal(signal.SIGTERM)
        codes = {name: worker.wait(40) for name, worker in workers.items()}
        print(pipeline.log.read_text()[-20_000:])  # noqa: T201 - pytest shows it when the test fails
    assert codes == dict.fromkeys(workers, 0)
    assert compared.code == 0, compared.out
    assert len(versions) == ACCOUNTS
