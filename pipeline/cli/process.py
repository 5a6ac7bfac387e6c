"""What every long-running process does first: settings, logs, its figures on /metrics, a summary each minute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from pipeline import metrics
from pipeline.settings import Settings
from pipeline.structured_logs import SummaryLog, configure


@contextmanager
def observed(settings: Settings, name: str, ready: Callable[[], metrics.State]) -> Iterator[None]:
    """
    Serve the figures of process *name* while the block runs, and log a summary every minute.

    *ready* answers /readyz, in a thread of the server.
    """
    configure(process=name, level=settings.log_level, format=settings.log_format)
    with metrics.serve(settings.metrics_host, settings.metrics_port, ready) as endpoint:
        structlog.get_logger(__name__).info("process.started", metrics=endpoint.address)
        SummaryLog(rates=metrics.rates, levels=metrics.levels, faults=metrics.faults).start()
        yield
