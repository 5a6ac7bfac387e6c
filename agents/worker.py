"""
Runs one app in this process: waits for a broker, starts, and on a signal finishes what is in flight and leaves.

Logging is the standard library's and is set up by the caller; Faust's own worker, which prints a banner and takes
logging over, is not used. One worker per process: it takes the signals, and its fences end the process.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from agents.app import LaneApp
from agents.lane.fences import Exit, stop

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""Longest an orderly stop takes: a drain of 5 s, a commit, and leaving the group."""

_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 5.0
_REMIND_SECONDS = 60.0


def run_worker(app: LaneApp, *, prepare: Callable[[], Awaitable[None]] | None = None) -> int:
    """
    Run *app* until SIGTERM or SIGINT, and return the exit code of the process: 0, or 1 after a crash.

    *prepare* is awaited in the app's event loop once a broker answers, before the app joins its group.

    A fence ends the process with another code, see ``agents.lane.fences.Exit``; so does a stop that takes longer than
    ``STOP_SECONDS``. Libraries whose level the caller has not set say warnings only.
    """
    for name in ("faust", "mode", "aiokafka"):
        library = logging.getLogger(name)
        library.setLevel(library.level or logging.WARNING)
    limit_repeats("aiokafka")
    return asyncio.run(_serve(app, prepare))


async def _serve(app: LaneApp, prepare: Callable[[], Awaitable[None]] | None) -> int:
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    running, stopping = asyncio.create_task(_run(app, prepare)), asyncio.create_task(asked.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)

    crash = running.exception() if running.done() else None
    if crash is not None:
        # Faust has logged the traceback of what went wrong in one of its services.
        log.critical("%s crashed: %r", app.conf.id, crash, exc_info=None if app.crashed else crash)
    too_late = f"{app.conf.id} has not stopped in {STOP_SECONDS:.0f} s"
    # A thread, since joining the consumer's thread blocks the event loop.
    deadline = threading.Timer(STOP_SECONDS, stop, (Exit.SHUTDOWN, too_late))
    deadline.daemon = True
    deadline.start()
    if app.started:
        if crash is None:
            await app.lane_consumer.drain()
        try:
            await app.stop()
        except Exception:
            log.exception("%s cannot stop in order", app.conf.id)
            stop(Exit.CRASH, f"{app.conf.id} cannot stop in order")
    for task in (running, stopping):
        task.cancel()
    await asyncio.gather(running, stopping, return_exceptions=True)
    deadline.cancel()
    return 0 if crash is None else Exit.CRASH


async def _run(app: LaneApp, prepare: Callable[[], Awaitable[None]] | None) -> None:
    """Run *app* until it crashes, and raise why."""
    await wait_for_broker(app)
    if prepare is not None:
        await prepare()
    await app.start()
    if not app.should_stop:
        log.info("%s is ready", app.conf.id)
    await app._crashed.wait()  # noqa: SLF001 - mode offers only a wait for the stop
    raise app.crash_reason or RuntimeError(f"{app.conf.id} ended for no reason it would tell")


async def wait_for_broker(app: LaneApp) -> None:
    """Return when one of the app's brokers answers; says once a minute who is waited for, and never gives up."""
    servers = app.connection["bootstrap_servers"]
    started, said, retry = time.monotonic(), float("-inf"), _FIRST_RETRY_SECONDS
    while True:
        client = AIOKafkaClient(request_timeout_ms=5000, **app.connection)
        with _captured("aiokafka") as said_by_client:
            try:
                await client.bootstrap()
            except (KafkaError, OSError) as error:
                reason = said_by_client[-1] if said_by_client else repr(error)
            else:
                break
            finally:
                await client.close()
        if time.monotonic() > said + _REMIND_SECONDS:
            said = time.monotonic()
            log.warning("Waiting for Kafka at %s, trying again by itself. %s", ", ".join(servers), reason)
        await asyncio.sleep(retry)
        retry = min(2 * retry, _LAST_RETRY_SECONDS)
    if said > 0:
        log.info("Kafka at %s answered after %.0f s", ", ".join(servers), time.monotonic() - started)


class _Repeats(logging.Handler):
    """Passes on to the root logger; of warnings with the same text, one in *seconds*, with the number left out."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._passed_at: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass *record* on, or count it."""
        if record.levelno >= logging.WARNING:
            kind = record.name, str(record.msg)
            if record.created < self._passed_at.get(kind, float("-inf")) + self._seconds:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._passed_at[kind] = record.created
            left_out = self._left_out.pop(kind, 0)
            if left_out:
                record.msg, record.args = f"{record.getMessage()} (and {left_out} more like it)", ()
        logging.getLogger().handle(record)


def limit_repeats(name: str, *, seconds: float = 10.0) -> None:
    """
    Let the logger *name* and those below it say each warning once in *seconds*.

    aiokafka writes some 2,500 lines per worker while a broker is down for a few seconds. Loggers belong to the process,
    so does this; calling it again changes nothing.
    """
    logger = logging.getLogger(name)
    if not any(isinstance(handler, _Repeats) for handler in logger.handlers):
        logger.addHandler(_Repeats(seconds))
        logger.propagate = False


@contextmanager
def _captured(name: str) -> Iterator[list[str]]:
    """Keep what the logger *name* and those below it say, instead of passing it on."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger = logging.getLogger(name)
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [Keep()], False
    try:
        yield said
    finally:
        logger.handlers, logger.propagate = before
