"""
How processes talk to their operator: one JSON object (or console line) per fact, on stderr.

Our own lines are dotted events in the past tense with facts as keys (``health.changed``). Lines of the
libraries come through the same pipe, and those of chatty Kafka clients are thinned out: a worker that loses
its broker gets some 2,500 of them in five seconds. What happens per event is counted in ``metrics``, not
logged; ``SummaryLog`` tells the counts once a minute. Account ids may stand in a line, names and mail
addresses not.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, Processor

Format: TypeAlias = Literal["json", "console"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_OURS: Final = ("pipeline", "agents", "sinks")

NOISY_LOGGERS: Final = ("aiokafka", "faust", "mode", "kafka")
"""Loggers, with all below them, whose lines are thinned out."""

_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(
    *,
    process: str = "",
    level: Level = "info",
    format: Format = "json",  # noqa: A002 - the word operators use
    stream: TextIO | None = None,
) -> None:
    """
    Send structlog and the standard library's logging to *stream* (stderr); once per process, before the first
    line.

    Lines below *level* are dropped, those of libraries below warning too. *process* (intake, health, sink)
    stands in each line, since the lines of several may end up in one place.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    name_process = _AddProcess(process)
    # Both without the frames' local variables, in which secrets and people's data are.
    rendering: tuple[Processor, ...] = (
        (structlog.processors.format_exc_info, _lead, structlog.processors.JSONRenderer())
        if format == "json"
        else (structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),)
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(RateLimit(lines=10, seconds=60.0, loggers=NOISY_LOGGERS))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name, _add_suppressed],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, name_process, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(least, logging.WARNING))
    for package in _OURS:
        logging.getLogger(package).setLevel(least)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=_our_logger,
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _our_logger(*name: str) -> logging.Logger:
    return logging.getLogger(*name or ("pipeline",))


class _AddProcess:
    """Names the process in each line."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        return {**event, "process": self._process} if self._process else event


def _lead(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """When, how bad and what first: people read these lines too."""
    return {**{key: event.pop(key) for key in ("timestamp", "level", "event")}, **event}


def _add_suppressed(_logger: Any, _method: str, event: EventDict) -> EventDict:
    suppressed = getattr(event["_record"], "suppressed", 0)
    return {**event, "suppressed": suppressed} if suppressed else event


class RateLimit(logging.Filter):
    """
    Let through at most *lines* per *seconds* of each kind of line from *loggers* and what is below them.

    A kind is a logger and a message before its arguments are put in, so one flood does not hide another
    message. The first line of a kind after a pause carries ``suppressed``, the number of lines left out
    before it.
    """

    def __init__(
        self,
        *,
        lines: int,
        seconds: float,
        loggers: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._lines = lines
        self._seconds = seconds
        self._loggers = frozenset(loggers)
        self._clock = clock
        self._seen: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is let through."""
        if record.name.partition(".")[0] not in self._loggers:
            return True
        # Some libraries format their messages themselves; those kinds are many, and must not be kept for
        # ever.
        if len(self._seen) > 1000:
            self._seen.clear()
        now = self._clock()
        began, count = self._seen.get((record.name, record.msg), (now, 0))
        if now - began >= self._seconds:
            record.suppressed = max(0, count - self._lines)
            began, count = now, 0
        self._seen[record.name, record.msg] = (began, count + 1)
        return count < self._lines


Totals: TypeAlias = Mapping[str, float]


class SummaryLog:
    """
    What a process did and how it stands, as three lines a minute: ``summary.rates``, ``.lag`` and
    ``.faults``.

    *rates* and *faults* give totals since the start and are told as events per second and as what was added;
    *levels* gives what is so now. The functions of those names in ``metrics`` fit.
    """

    def __init__(
        self,
        *,
        rates: Callable[[], Totals],
        levels: Callable[[], Totals],
        faults: Callable[[], Totals],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rates = rates
        self._levels = levels
        self._faults = faults
        self._clock = clock
        self._last = (clock(), rates(), faults())
        self._log = structlog.get_logger(__name__)

    def start(self, *, seconds: float = 60.0) -> None:
        """Write every *seconds* until the process ends, from a thread of its own."""
        threading.Thread(target=self._keep_writing, args=(seconds,), name="summary", daemon=True).start()

    def write(self) -> None:
        """Write the three lines, for the time since they were written last."""
        before, rates_before, faults_before = self._last
        now, rates, faults = self._last = (self._clock(), self._rates(), self._faults())
        elapsed = now - before
        # What has stayed 0 since the start is another process's work.
        per_second = {
            name: round((total - rates_before[name]) / elapsed, 1) for name, total in rates.items() if total
        }
        added = {name: round(faults[name] - faults_before.get(name, 0.0)) for name in faults}
        self._log.info("summary.rates", seconds=round(elapsed), **per_second)
        self._log.info("summary.lag", **self._levels())
        self._log.info("summary.faults", **{name: count for name, count in added.items() if count})

    def _keep_writing(self, seconds: float) -> None:
        while True:
            time.sleep(seconds)
            self.write()
