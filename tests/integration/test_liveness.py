"""A worker's /livez: well while it waits for Kafka, not when its event loop is stuck."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.integration.command_line import PSEUDONYM_KEY

STUCK_SECONDS = 1.0
SCRIPT = f"""if True:
    import functools, signal, time
    from agents import app
    from pipeline.cli import main

    app.make_app = functools.partial(app.make_app, stuck_seconds={STUCK_SECONDS})
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(60))
    main()
"""


def livez(address: str) -> tuple[int, str]:
    """Status and sentence."""
    try:
        with urlopen(f"http://{address}/livez", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until_killed(process: "subprocess.Popen[bytes]") -> list[bytes]:
    """What *process* still has to say, killed now."""
    assert process.stderr is not None
    process.kill()
    return process.stderr.readlines()


@pytest.fixture(params=["intake", "health"])
def worker(request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[bytes]"]:
    """`telltale worker` of either kind, soon taken for stuck, waiting for a broker; killed at the end."""
    settings = {"TELLTALE_BROKERS": "127.0.0.1:1", "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY}
    arguments = [sys.executable, "-c", SCRIPT, "worker", request.param]
    with subprocess.Popen(arguments, env=os.environ | settings, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_worker_is_alive_until_its_event_loop_is_stuck(
    worker: "subprocess.Popen[bytes]", eventually: Callable[..., None]
) -> None:
    """Being restarted helps the one that is stuck, and not the one whose broker is away."""
    assert worker.stderr is not None
    address = json.loads(worker.stderr.readline())["metrics"]
    time.sleep(2 * STUCK_SECONDS)  # No condition to wait for: without its turns it would be stuck by now.
    assert livez(address) == (200, "the event loop turns\n")

    worker.send_signal(signal.SIGUSR1)

    eventually(lambda: livez(address)[0] == 503)
    assert livez(address)[1].startswith("the event loop has not turned for ")
    lines = [json.loads(line) for line in until_killed(worker) if line.startswith(b"{")]
    stacks = {line["thread"]: line["stack"] for line in lines if line["event"] == "worker.thread_stack"}
    tasks = [line["stack"] for line in lines if line["event"] == "worker.task_stack"]
    assert stacks["MainThread"][-1].endswith(" <lambda>")  # the signal handler that sleeps
    assert any(
        "wait_for_broker" in calls[-1] or "wait_for_broker" in calls[-2] for calls in tasks if len(calls) > 1
    )
    assert len(stacks) == sum(line["event"] == "worker.thread_stack" for line in lines)  # once, not a probe
