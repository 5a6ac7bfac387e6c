"""Where a worker's time goes, told by the workers themselves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import metrics
from pipeline.embedded.ports import free_port
from tests.integration.command_line import PSEUDONYM_KEY, Telltale
from tests.integration.running_pipeline import Outsider


@contextmanager
def worker(telltale: Telltale, kind: str, port: int) -> Iterator[None]:
    """`telltale worker` with its metrics on *port*."""
    settings = {
        "TELLTALE_BROKERS": telltale.brokers,
        "TELLTALE_PARTITIONS": "4",
        "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
        "TELLTALE_TICK_SECONDS": "0.5",
        "TELLTALE_METRICS_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "worker", kind], env=os.environ | settings
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0


def seconds_by_stage(port: int) -> dict[str, float]:
    """What the worker on *port* has booked; nothing while it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            told = answer.read().decode()
    except URLError:
        return {}
    return {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
        if sample.name == "telltale_worker_seconds_total"
    }


@pytest.mark.timeout(120)
def test_the_stages_of_a_worker_add_up_to_the_time_it_has_run(
    broker: str, eventually: Callable[..., None]
) -> None:
    """
    Never more than has gone by since it was started, and soon most of it: only its start, before there is an
    app, is missing.

    Both kinds of worker, with ticks that go through every stage.
    """
    telltale = Telltale(brokers=broker)
    for prepare in (("topics", "apply"), ("scorecards", "apply")):
        assert telltale(*prepare).code == 0
    outsider = Outsider(broker)
    outsider.send("customer.account.v1", None, key="acc-1")
    outsider.flush()
    ports = free_port(), free_port()
    started = time.perf_counter()

    with worker(telltale, "intake", ports[0]), worker(telltale, "health", ports[1]):
        for port in ports:
            eventually(
                lambda port=port: all(seconds_by_stage(port).get(s) for s in metrics.WORKER_STAGES), 60
            )
            eventually(
                lambda port=port: (
                    sum(seconds_by_stage(port).values()) > 0.5 * (time.perf_counter() - started)
                ),
                60,
            )
            booked = sum(seconds_by_stage(port).values())
            assert booked <= time.perf_counter() - started
