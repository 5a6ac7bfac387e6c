"""
What every long-running process does first: settings, logs, its metrics on /metrics, a summary each minute.

Errors: ``TelltaleError`` > ``MetricsUnserved``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from pipeline import metrics
from pipeline.errors import TelltaleError
from pipeline.settings import Settings
from pipeline.structured_logs import SummaryLog, configure


class MetricsUnserved(TelltaleError):  # noqa: N818 - reads as what happened
    """The metrics cannot be served where the settings want them."""


@contextmanager
def observed(
    settings: Settings,
    name: str,
    ready: Callable[[], metrics.State],
    *,
    alive: Callable[[], metrics.State] = metrics.answering,
) -> Iterator[None]:
    """
    Serve the metrics of process *name* while the block runs, and log a summary every minute.

    *ready* answers /readyz and *alive* /livez, in threads of the server. Without *alive*, /livez tells only
    that the process answers: so the sink's does, which has no event loop, and whose one thread may wait for
    Postgres.
    """
    configure(process=name, level=settings.log_level, format=settings.log_format)
    try:
        endpoint = metrics.serve(settings.metrics_host, settings.metrics_port, ready, alive=alive)
    except OSError as error:
        raise MetricsUnserved(
            f"metrics cannot be served on {settings.metrics_host}:{settings.metrics_port}: {error.strerror}",
            hint="Set TELLTALE_METRICS_PORT to another port, or to 0 for any free one; "
            "the address is TELLTALE_METRICS_HOST.",
        ) from error
    with endpoint:
        structlog.get_logger(__name__).info("process.started", metrics=endpoint.address)
        SummaryLog(rates=metrics.rates, levels=metrics.levels, faults=metrics.faults).start()
        yield
