"""
Every metric, declared once, and the small server that Prometheus reads them from.

Base units, labels from closed sets, never an account id. A process calls ``seed`` for the labels it will use,
so that a rate over a code that has not occurred yet is 0 and not absent. Dashboards and alert rules name
these metrics; a test holds them to it. What a fact was about stands in the log, see ``structured_logs``.
"""

import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from types import TracebackType
from typing import Final, Self, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

disable_created_metrics()  # type: ignore[no-untyped-call]  # A second series for each, which no dashboard of ours reads.

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300)

# Intake
EVENTS_CONSUMED: Final = Counter(
    "telltale_events_consumed_total", "Input records read.", ["source"], registry=REGISTRY
)
DEAD_LETTERS: Final = Counter(
    "telltale_dead_letters_total", "Records dead-lettered.", ["topic", "code"], registry=REGISTRY
)
DEAD_LETTERS_RETURNED: Final = Counter(
    "telltale_letters_returned_total",
    "Dead letters sent to their input again because their account became known.",
    ["topic"],
    registry=REGISTRY,
)

CLOCK_LAG_SECONDS: Final = Gauge(
    "telltale_clock_lag_seconds",
    "How far the clock of the account log is behind: it waits until the intake has read what was there.",
    registry=REGISTRY,
)
CLOCK_SKEW_SECONDS: Final = Gauge(
    "telltale_clock_skew_seconds",
    "Difference between this machine's clock and the broker's; above 5 no tick is written.",
    registry=REGISTRY,
)

# Health
EVENT_LATENCY: Final = Histogram(
    "telltale_event_latency_seconds",
    "From the input record's Kafka timestamp until the event is logged (in the account log), scored (what it changed "
    "is in the output topics) or stored (in Postgres).",
    ["stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
ENTRIES_FOLDED: Final = Counter(
    "telltale_entries_folded_total", "Entries of the account log applied to state.", registry=REGISTRY
)
DUPLICATES: Final = Counter(
    "telltale_duplicates_total",
    "Entries left out as repeats: of a source position (an intake repeated itself) or of an event id (a source did).",
    ["of"],
    registry=REGISTRY,
)
LATE_EVENTS: Final = Counter(
    "telltale_late_events_total",
    "Events of an earlier UTC day than their account had reached; they count in their own day.",
    registry=REGISTRY,
)
LEFT_OUT_EVENTS: Final = Counter(
    "telltale_left_out_events_total",
    "Events that change nothing: older than what is remembered, of a kind not known here, or for a closed account.",
    registry=REGISTRY,
)
PEOPLE_EVICTED: Final = Counter(
    "telltale_people_evicted_total",
    "People forgotten because their account had more than are remembered of one account.",
    registry=REGISTRY,
)
VERSIONS: Final = Counter(
    "telltale_versions_total", "Versions of accounts' health written to the output topics.", registry=REGISTRY
)
ALERTS: Final = Counter(
    "telltale_alerts_total", "Transitions of alerts.", ["sign", "transition"], registry=REGISTRY
)
ACCOUNTS: Final = Gauge(
    "telltale_accounts", "Accounts in this worker's partitions.", ["band"], registry=REGISTRY
)
PARTITION_CLOCK: Final = Gauge(
    "telltale_partition_clock_timestamp_seconds",
    "Clock of a partition of the account log this worker owns, Unix time: the newest tick applied.",
    ["partition"],
    registry=REGISTRY,
)
CHANGELOG_BYTES: Final = Counter(
    "telltale_changelog_bytes_total", "Bytes of state written to the changelog.", registry=REGISTRY
)
STATE_BYTES_MAX: Final = Gauge(
    "telltale_state_bytes_max",
    "Size of the largest account state written; one step of the changelog holds 2 MiB.",
    registry=REGISTRY,
)
RESTORE_SECONDS: Final = Gauge(
    "telltale_restore_seconds",
    "Duration of the last recovery of state from the changelog.",
    registry=REGISTRY,
)

# Intake and health
WORKER_SECONDS: Final = Counter(
    "telltale_worker_seconds_total",
    "Where a worker's time goes; the stages add up to the time since its start. poll: for records from Kafka (an idle "
    "worker polls). fold: decodes and folds, an intake decodes and judges. encode: what it will write. append: for Kafka to "
    "acknowledge it, with nothing to fold. wait: none of these.",
    ["stage"],
    registry=REGISTRY,
)

# Sinks
SINK_ROWS: Final = Counter(
    "telltale_sink_rows_total",
    "Rows handed to Postgres: written, stale (a newer version was there), or erased (their account was).",
    ["table", "result"],
    registry=REGISTRY,
)
SINK_BATCH_ROWS: Final = Histogram(
    "telltale_sink_batch_rows",
    "Rows of one transaction.",
    buckets=(1, 5, 10, 50, 100, 500, 1000, 5000, 10000),
    registry=REGISTRY,
)
SINK_WRITE_SECONDS: Final = Histogram(
    "telltale_sink_write_seconds",
    "One transaction, from its begin until its commit returned.",
    buckets=_SECONDS,
    registry=REGISTRY,
)

# All
LAG: Final = Gauge(
    "kafka_consumergroup_lag",  # The exporters' name: public Kafka dashboards read it.
    "Records of a partition this process owns that its group has not committed.",
    ["consumergroup", "topic", "partition"],
    registry=REGISTRY,
)
BUILD: Final = Info("telltale_build", "What runs here.", registry=REGISTRY)

STAGES: Final = ("logged", "scored", "stored")
WORKER_STAGES: Final = ("poll", "fold", "encode", "append", "wait")
REPEATS: Final = ("position", "event_id")
SINK_RESULTS: Final = ("written", "stale", "erased")

Metric: TypeAlias = Counter | Gauge | Histogram
State: TypeAlias = tuple[bool, str]
"""Whether all is well, and a sentence that says so or says what is missing."""


def _distribution_version() -> str:
    try:
        return version("telltale")
    except PackageNotFoundError:  # A checkout that was not installed.
        return "unknown"


BUILD.info({"version": _distribution_version(), "python": platform.python_version()})


def seed(metric: Metric, **labels: Iterable[str]) -> None:
    """Make the series of every combination of *labels* exist, at 0."""
    for values in product(*labels.values()):
        metric.labels(**dict(zip(labels, values, strict=True)))


def rates() -> dict[str, float]:
    """Totals since the start that are worth reading per second."""
    return {
        "events": _total(EVENTS_CONSUMED),
        "entries": _total(ENTRIES_FOLDED),
        "versions": _total(VERSIONS),
        "alerts": _total(ALERTS),
        "rows": _total(SINK_ROWS),
    }


def levels() -> dict[str, float]:
    """
    How things stand now, as far as known: unread records, and how many seconds the last clock is behind.

    A process that owns no partition, or whose broker is away, knows of no lag.
    """
    clocks = [value for _, value in _series(PARTITION_CLOCK)]
    lags = [value for _, value in _series(LAG)]
    known = {"lag": sum(lags)} if lags else {}
    return known | ({"clock_age_seconds": round(time.time() - min(clocks), 1)} if clocks else {})


def faults() -> dict[str, float]:
    """Totals since the start of what should not happen; dead letters by their code."""
    codes: dict[str, float] = {}
    for labels, value in _series(DEAD_LETTERS):
        codes[labels["code"]] = codes.get(labels["code"], 0.0) + value
    return {"duplicates": _total(DUPLICATES), "left_out": _total(LEFT_OUT_EVENTS)} | codes


def _series(metric: Metric) -> Iterator[tuple[dict[str, str], float]]:
    for family in metric.collect():
        for sample in family.samples:
            yield sample.labels, sample.value


def _total(metric: Counter) -> float:
    return sum(value for _, value in _series(metric))


class Endpoint:
    """A running server; its thread is a daemon, so nothing waits for it when the process ends."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        # It looks so often whether it has to stop, and a worker that ends waits for that.
        serve = partial(server.serve_forever, poll_interval=0.1)
        threading.Thread(target=serve, name="metrics", daemon=True).start()

    @property
    def address(self) -> str:
        """``host:port`` as bound."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def answering() -> State:
    """Say that all is well: of a process of which no more is known than that it answers."""
    return True, "the process answers"


def serve(
    host: str, port: int, ready: Callable[[], State], *, alive: Callable[[], State] = answering
) -> Endpoint:
    """
    Serve /metrics, /readyz and /livez from a thread; port 0 takes a free one. Raises OSError if the port is
    taken.

    *ready* and *alive* are called in that thread, once per request. *alive* must not depend on Kafka or
    Postgres: an outage would restart every worker.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/metrics":
                    encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                    self._answer(HTTPStatus.OK, content_type, encode(REGISTRY))
                case "/readyz":
                    self._answer_state(ready())
                case "/livez":
                    self._answer_state(alive())
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics /readyz /livez\n")

        def _answer_state(self, state: State) -> None:
            well, sentence = state
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a probe each second is not news."""

    return Endpoint(ThreadingHTTPServer((host, port), Handler))


seed(EVENT_LATENCY, stage=STAGES)
seed(DUPLICATES, of=REPEATS)
