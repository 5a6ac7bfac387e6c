"""
The sink in a thread or in a process that can be killed, topics to feed it, and a link to Postgres that can be
cut.
"""

import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

from confluent_kafka import Producer
from sqlalchemy import make_url

from pipeline.wire.contract import Contract
from pipeline.wire.outputs import SCORED_AT
from pipeline.wire.registry import open_registry
from sinks.consumer.readiness import Readiness
from sinks.postgres.sink import run_postgres_sink
from tests.integration.postgres_sink_parts import NOW, Output, alert, change, encoded, snapshot, value

SESSION_SECONDS = 4.0
"""The embedded broker takes 3 s to begin a group, and a session that ends before never gets anywhere."""

LEAST_SESSION_SECONDS = 6.0
"""What Apache Kafka allows."""

ACCOUNTS = 40


def history(versions: range) -> list[Output]:
    """Every account goes through all *versions*; each has an alert that opens and resolves."""
    names = [f"account-{n}" for n in range(ACCOUNTS)]
    outputs: list[Output] = [
        output
        for version in versions
        for name in names
        for output in (
            change(name, version=version, as_of=NOW + version),
            snapshot(name, version=version, score=float(version)),
        )
    ]
    for sequence, transition in ((1, "OPENED"), (2, "RESOLVED")):
        outputs += [
            alert(f"al-{name}", account_id=name, sequence=sequence, transition=transition) for name in names
        ]
    return outputs


def stored(dsn: str) -> int:
    """Changes in the table."""
    return int(value(dsn, "SELECT count(*) FROM health_change"))


def read(dsn: str) -> int:
    """Records the sink has behind it; nothing in the topics has a gap."""
    return int(value(dsn, "SELECT coalesce(sum(next_offset), 0) FROM sink_offset"))


class CuttingProxy:
    """
    A way to Postgres that breaks, once armed, in the next COMMIT: before the server hears of it, or after it
    is done.

    One connection at a time, as the sink has; a broken one is as if the cable was pulled: nobody says
    goodbye. *cuts* counts, and each cut disarms.
    """

    def __init__(self, dsn: str) -> None:
        url = make_url(dsn)
        self._server = (url.host, url.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._after_commit = False
        self._armed = False
        self.cuts = 0
        self.dsn = url.set(port=self._listener.getsockname()[1]).render_as_string()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def arm(self, *, after_commit: bool) -> None:
        """Cut in the next COMMIT."""
        self._after_commit = after_commit
        self._armed = True

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # Closed: the test is over.
                return
            with client, socket.create_connection(self._server) as server:
                self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            readable, _, _ = select.select([client, server], [], [])
            for source in readable:
                sent = source.recv(65536)
                done = source is server and b"COMMIT\0" in sent  # CommandComplete
                asked = source is client and b"COMMIT" in sent
                if self._armed and (done if self._after_commit else asked):
                    self._armed = False
                    self.cuts += 1
                    return
                if not sent:
                    return
                (server if source is client else client).sendall(sent)


def produce(brokers: str, outputs: Iterable[Output], *, prefix: str = "") -> None:
    """Append *outputs* as scored now, each account's to one partition."""
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "log_level": 0,
        }
    )
    for output in outputs:
        topic, content = encoded(output)
        scored = str(int(time.time() * 1000)).encode()
        producer.produce(prefix + topic, content, output.account_id, headers={SCORED_AT: scored})
    assert producer.flush(20) == 0


def run(
    brokers: str,
    dsn: str,
    stop: threading.Event,
    *,
    prefix: str = "",
    session_seconds: float = SESSION_SECONDS,
    readiness: Readiness | None = None,
) -> None:
    """The sink until *stop*."""
    contract = Contract.load(prefix)
    run_postgres_sink(
        brokers=brokers,
        dsn=dsn,
        contract=contract,
        registry=open_registry(contract),
        security={},
        stop=stop,
        session_seconds=session_seconds,
        readiness=readiness,
    )


@contextmanager
def sink_process(
    brokers: str, dsn: str, *, session_seconds: float = SESSION_SECONDS
) -> Iterator[subprocess.Popen[bytes]]:
    """The sink in a process of its own, which may be killed."""
    process = subprocess.Popen([sys.executable, __file__, brokers, dsn, str(session_seconds)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def sink_thread(
    brokers: str, dsn: str, *, prefix: str = "", session_seconds: float = SESSION_SECONDS
) -> Iterator[Readiness]:
    """The sink in a thread; stopped at the end, and what it raised is raised."""
    stop, readiness = threading.Event(), Readiness()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(
            run, brokers, dsn, stop, prefix=prefix, session_seconds=session_seconds, readiness=readiness
        )
        running.add_done_callback(lambda _: readiness.tell(False, "ended"))
        try:
            yield readiness
        finally:
            stop.set()
        running.result()


if __name__ == "__main__":
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    run(sys.argv[1], sys.argv[2], asked, session_seconds=float(sys.argv[3]))
