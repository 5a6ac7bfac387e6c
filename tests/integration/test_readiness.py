"""A worker's /readyz and its lag while Kafka is away: neither says that all is well."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from pipeline.embedded.broker import EmbeddedBroker
from tests.integration.command_line import PSEUDONYM_KEY
from tests.integration.worker_log import PARTITIONS, AccountLog

SCRIPT = """if True:
    import functools
    from agents import app
    from pipeline.cli import main

    app.make_app = functools.partial(app.make_app, heartbeat_seconds=0.3)
    main()
"""


def get(address: str, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker with all topics; each test stops it."""
    with EmbeddedBroker() as started:
        AccountLog(started.bootstrap)
        yield started


@pytest.fixture(params=["intake", "health"])
def worker(request: pytest.FixtureRequest, broker: EmbeddedBroker) -> Iterator["subprocess.Popen[bytes]"]:
    """`telltale worker` of either kind, whose group is missed after three seconds; killed at the end."""
    settings = {
        "TELLTALE_BROKERS": broker.bootstrap,
        "TELLTALE_PARTITIONS": str(PARTITIONS),
        "TELLTALE_SESSION_SECONDS": "6",
        "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
    }
    arguments = [sys.executable, "-c", SCRIPT, "worker", request.param]
    with subprocess.Popen(arguments, env=os.environ | settings, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_worker_whose_broker_is_away_is_not_ready_and_knows_no_lag(
    worker: "subprocess.Popen[bytes]", broker: EmbeddedBroker, eventually: Callable[..., None]
) -> None:
    """It would be sent no traffic, and whoever looks at the lag sees that nobody knows it."""
    assert worker.stderr is not None
    ask = functools.partial(get, json.loads(worker.stderr.readline())["metrics"])
    eventually(lambda: ask("/readyz")[0] == 200)
    # The health worker fetches from a log without entries, whose end a fetch tells all the same.
    eventually(lambda: "kafka_consumergroup_lag{" in ask("/metrics")[1])

    broker.stop()

    eventually(lambda: ask("/readyz")[0] == 503)
    assert ask("/readyz")[1].startswith("Kafka is away: the group has not answered a heartbeat for ")
    eventually(lambda: "kafka_consumergroup_lag{" not in ask("/metrics")[1])
    assert ask("/livez")[0] == 200
    assert worker.poll() is None
