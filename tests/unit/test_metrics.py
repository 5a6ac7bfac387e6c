"""Metrics: named for Prometheus, seeded with 0, served with the two probes."""

import re
import socket
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from pipeline import metrics

UNITS = re.compile(r"_(total|seconds|bytes|rows|info)(_max)?$")
WITHOUT_UNIT = {"telltale_accounts", "kafka_consumergroup_lag"}


def ready() -> metrics.State:
    return True, "owns 4 partitions"


def get(address: str, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    try:
        with urlopen(Request(f"http://{address}{path}", headers={"Accept": accept}), timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_every_metric_names_its_unit() -> None:
    """Base units in the name, so that no dashboard has to guess."""
    names = {
        family.name + ("_total" if family.type == "counter" else "_info" if family.type == "info" else "")
        for family in metrics.REGISTRY.collect()
        if family.name.startswith(("telltale_", "kafka_"))
    }

    assert len(names) > 15
    assert {name for name in names if not UNITS.search(name)} == WITHOUT_UNIT


def test_every_metric_is_told_by_somebody() -> None:
    """A dashboard of a metric that nobody writes shows that all is well."""
    root = Path(metrics.__file__).parents[1]
    source = "".join(
        file.read_text()
        for package in ("agents", "pipeline", "sinks")
        for file in (root / package).rglob("*.py")
        if file.name != "metrics.py"
    )
    declared = [name for name, item in vars(metrics).items() if isinstance(item, Counter | Gauge | Histogram)]

    told = [
        name
        for name in declared
        if re.search(rf"metrics\.{name}(\.labels\([^)]*\))?\.(inc|set|observe)\(", source)
    ]

    assert told == declared
    assert len(declared) > 15


def test_no_label_can_hold_an_account() -> None:
    """Labels are of closed sets: an account id would be a series each, and a leak."""
    declared = [item for item in vars(metrics).values() if isinstance(item, Counter | Gauge)]
    labels = {label for metric in declared for label in metric._labelnames}

    assert labels == {
        "source", "topic", "code", "of", "sign", "transition", "band", "partition", "table", "result", "consumergroup",
        "stage",
    }  # fmt: skip


def test_seeding_makes_every_combination_exist_at_zero() -> None:
    """A rate over a series that is absent is no 0, and no alert."""
    registry = CollectorRegistry()
    dead_letters = Counter("dead_letters", "Dead letters.", ["topic", "code"], registry=registry)

    metrics.seed(dead_letters, topic=["a", "b"], code=["decode", "range"])

    series = {
        (s.labels["topic"], s.labels["code"]): s.value
        for family in registry.collect()
        for s in family.samples
    }
    assert series == {(topic, code): 0.0 for topic in "ab" for code in ("decode", "range")}


def test_the_page_is_what_prometheus_reads() -> None:
    """The classic text, with the build's version and the stages of latency seeded, and no creation times."""
    with metrics.serve("127.0.0.1", 0, ready) as endpoint:
        status, content_type, text = get(endpoint.address, "/metrics")

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    assert families["telltale_build_info"].samples[0].labels["version"] != ""
    assert {s.labels["stage"] for s in families["telltale_event_latency_seconds"].samples} == set(
        metrics.STAGES
    )
    assert "_created" not in text


def test_a_scraper_may_ask_for_openmetrics() -> None:
    """Prometheus does, by its Accept header."""
    with metrics.serve("127.0.0.1", 0, ready) as endpoint:
        _, content_type, text = get(
            endpoint.address, "/metrics", "application/openmetrics-text; version=1.0.0"
        )

    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_readiness_is_asked_at_each_request() -> None:
    """503 with the reason until ready, 200 afterwards, 503 again when it is lost."""
    state = (False, "reads its state back")
    with metrics.serve("127.0.0.1", 0, lambda: state) as endpoint:
        before = get(endpoint.address, "/readyz")
        state = (True, "owns 4 partitions")
        after = get(endpoint.address, "/readyz")

    assert (before[0], before[2]) == (503, "reads its state back\n")
    assert (after[0], after[2]) == (200, "owns 4 partitions\n")


def test_being_alive_is_not_being_ready() -> None:
    """A worker that waits for Kafka must not be restarted for it; one that says it is stuck must."""
    with metrics.serve("127.0.0.1", 0, lambda: (False, "waits for Kafka")) as endpoint:
        waiting = get(endpoint.address, "/livez")[0]
    with metrics.serve("127.0.0.1", 0, ready, alive=lambda: (False, "loop stuck for 12 s")) as endpoint:
        stuck = get(endpoint.address, "/livez")

    assert waiting == 200
    assert (stuck[0], stuck[2]) == (503, "loop stuck for 12 s\n")


def test_other_paths_say_which_there_are() -> None:
    """404, with the three paths."""
    with metrics.serve("127.0.0.1", 0, ready) as endpoint:
        assert get(endpoint.address, "/")[0] == 404


def test_a_taken_port_is_an_error_at_once() -> None:
    """A process whose metrics nobody can read must not look healthy."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        metrics.serve("127.0.0.1", taken.getsockname()[1], ready)


def test_totals_are_summed_over_their_labels() -> None:
    """What the summary tells per minute are totals, dead letters by code."""
    before = metrics.faults()
    metrics.DEAD_LETTERS.labels(topic="customer.login.v1", code="decode").inc(2)
    metrics.DEAD_LETTERS.labels(topic="customer.invoice.v1", code="decode").inc()
    metrics.LEFT_OUT_EVENTS.inc()

    after = metrics.faults()

    assert after["decode"] - before.get("decode", 0) == 3
    assert after["left_out"] - before["left_out"] == 1


def test_the_clock_furthest_behind_is_the_age_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One partition that stands still must not hide behind those that go on."""
    monkeypatch.setattr("pipeline.metrics.time.time", lambda: 1000.0)
    metrics.PARTITION_CLOCK.labels(partition=0).set(995)
    metrics.PARTITION_CLOCK.labels(partition=1).set(940)

    assert metrics.levels()["clock_age_seconds"] == 60.0
    metrics.PARTITION_CLOCK.clear()


def test_a_lag_that_nobody_knows_is_not_told_as_none() -> None:
    """A process that owns nothing, or whose broker is away, would look as if it had read everything."""
    metrics.LAG.clear()
    assert "lag" not in metrics.levels()

    metrics.LAG.labels("group", "topic", "0").set(7)
    assert metrics.levels()["lag"] == 7
    metrics.LAG.clear()
