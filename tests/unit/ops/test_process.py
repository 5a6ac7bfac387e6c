"""What every process does first."""

import socket

import pytest

from pipeline import metrics
from pipeline.ops.process import MetricsUnserved, observed
from pipeline.settings import Settings


def ready() -> metrics.State:
    return True, "owns 4 partitions"


def test_a_metrics_port_that_is_taken_is_told_with_the_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error for people, not the traceback of a server."""
    monkeypatch.setattr("pipeline.ops.process.configure", lambda **_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with (
            pytest.raises(MetricsUnserved) as failure,
            observed(Settings(metrics_port=port), "health", ready),
        ):
            pass

    assert str(failure.value) == f"metrics cannot be served on 127.0.0.1:{port}: Address already in use"
    assert "TELLTALE_METRICS_PORT to another port, or to 0" in failure.value.hint
