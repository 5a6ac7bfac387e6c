"""The start of a worker: it waits for a broker that is not there yet, and says so once."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.app import make_app
from agents.lane.fences import Exit
from agents.worker import wait_for_broker


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def forwarded(port: int, bootstrap: str) -> AsyncIterator[None]:
    """Let *port* be a way to the broker."""
    host, _, broker_port = bootstrap.rpartition(":")
    pumps: list[asyncio.Task[None]] = []

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
        finally:
            target.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(host, int(broker_port))
        pumps.extend(
            (asyncio.create_task(pump(reader, requests)), asyncio.create_task(pump(answers, writer)))
        )

    async with await asyncio.start_server(connect, "127.0.0.1", port):
        yield
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_worker_goes_on_when_the_broker_answers(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line while it waits, with the reason, and one when it is over; none of the client's own."""
    caplog.set_level(logging.INFO)
    port = free_port()
    waiting = asyncio.create_task(wait_for_broker(make_app("app", brokers=f"127.0.0.1:{port}", partitions=4)))
    while not caplog.messages:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)
    assert not waiting.done()

    async with forwarded(port, broker):
        await asyncio.wait_for(waiting, 10)

    said = [message for name, _, message in caplog.record_tuples if not name.startswith("asyncio")]
    assert len(said) == 2
    assert said[0].startswith(f"Waiting for Kafka at 127.0.0.1:{port}, trying again by itself. ")
    assert "Connect call failed" in said[0]
    assert said[1].startswith(f"Kafka at 127.0.0.1:{port} answered after ")


@pytest.mark.asyncio
async def test_a_broker_that_is_there_is_not_mentioned(broker: str, caplog: pytest.LogCaptureFixture) -> None:
    """The ordinary start is silent."""
    caplog.set_level(logging.INFO)

    await wait_for_broker(make_app("app", brokers=broker, partitions=4))

    assert caplog.messages == []


def test_a_worker_that_waits_for_a_broker_stops_when_asked() -> None:
    """It never gives up by itself, and a signal ends it in order."""
    script = Path(__file__).with_name("lane_toy.py")
    with subprocess.Popen(
        [sys.executable, script, f"127.0.0.1:{free_port()}"],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        assert process.stderr is not None
        assert "Waiting for Kafka" in process.stderr.readline()
        asked_at = time.monotonic()
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
        assert time.monotonic() - asked_at < 5
        assert process.stderr.read() == ""


def test_a_stop_that_hangs_ends_the_process(broker: str) -> None:
    """Joining a thread blocks the event loop; whoever supervises the worker need not kill it."""
    script = f"""if True:
        import os, signal, sys, time
        import agents.worker
        from agents.app import LaneApp
        from agents.lane.transport import LaneOptions

        class Stuck(LaneApp):
            async def start(self):
                self._started.set()
                os.kill(os.getpid(), signal.SIGTERM)

            async def stop(self):
                time.sleep(60)

        agents.worker.STOP_SECONDS = 0.5
        app = Stuck("stuck", broker="kafka://{broker}", session_seconds=10, lane_options=LaneOptions())
        sys.exit(agents.worker.run_worker(app))
    """

    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=20
    )

    assert ended.returncode == Exit.SHUTDOWN
    assert "stuck has not stopped in" in ended.stderr


def test_a_request_that_hangs_during_the_preparation_does_not_keep_the_process(broker: str) -> None:
    """The loop waits for its threads when it ends, so the deadline of a stop holds until then."""
    script = f"""if True:
        import asyncio, os, signal, sys, time
        from contextlib import asynccontextmanager
        import agents.worker
        from agents.app import LaneApp
        from agents.lane.transport import LaneOptions

        @asynccontextmanager
        async def prepared():
            asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
            await asyncio.to_thread(time.sleep, 15)
            yield

        agents.worker.STOP_SECONDS = 0.5
        app = LaneApp("stuck", broker="kafka://{broker}", session_seconds=10, lane_options=LaneOptions())
        sys.exit(agents.worker.run_worker(app, prepared=prepared))
    """

    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=12
    )

    assert ended.returncode == Exit.SHUTDOWN
    assert "stuck has not stopped in" in ended.stderr
