"""
Runs one app in this process: waits for a broker, starts, and on a signal finishes what is in flight and
leaves.

Logging is the standard library's and is set up by the caller; Faust's own worker, which prints a banner and
takes logging over, is not used. One worker per process: it takes the signals, and its fences end the process.
"""

import asyncio
import faulthandler
import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, closing, contextmanager, nullcontext
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from agents.app import LaneApp
from agents.lane.fences import Exit, stop

log = logging.getLogger(__name__)

STOP_SECONDS = 20.0
"""Longest an orderly stop takes: a drain, a commit, and leaving the group."""

_DRAIN_SECONDS = 12.0
"""
Longest that what is in flight may take: longer than at a revoke, since nobody waits for the partitions yet.
"""

_COLLECT_AFTER = 50_000
"""
New containers after which the garbage collector looks for cycles; Python's 700 is one poll of records many
times over.

Hardly any cycles are made here, and looking for them costs a tenth of the CPU (docs/performance.md).
"""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FIRST_RETRY_SECONDS = 0.5
_LAST_RETRY_SECONDS = 5.0
_REMIND_SECONDS = 60.0


Prepared = Callable[[], AbstractAsyncContextManager[Any]]
"""Opens what an app needs while it runs."""


def run_worker(app: LaneApp, *, prepared: Prepared = nullcontext) -> int:
    """
    Run *app* until SIGTERM or SIGINT, and return the exit code of the process: 0, or 1 after a crash.

    An orderly stop is not ready any more, fetches nothing more, finishes and commits what is in flight, and
    leaves the group; a second signal ends the process at once, which is safe as well and repeats more.

    *prepared* is entered in the app's event loop once a broker answers, before the app joins its group, and
    left when the app has stopped. What it raises before the app starts is raised here.

    A fence ends the process with another code, see ``agents.lane.fences.Exit``; so does a stop that takes
    longer than ``STOP_SECONDS``. Libraries whose level the caller has not set say warnings only.
    """
    for name in ("faust", "mode", "aiokafka"):
        library = logging.getLogger(name)
        library.setLevel(library.level or logging.WARNING)
    gc.set_threshold(_COLLECT_AFTER)
    with closing(ExitStack()) as afterwards:
        return asyncio.run(_serve(app, prepared, afterwards))


async def _serve(app: LaneApp, prepared: Prepared, afterwards: ExitStack) -> int:
    """
    Serve until a signal or a crash; what has to wait for the end of the loop and its threads goes to
    *afterwards*.
    """
    asked = asyncio.Event()

    def ask() -> None:
        app.leaving = True
        asked.set()
        for number in _STOP_SIGNALS:
            # The system's own answer, since the stop blocks the event loop for a while.
            signal.signal(number, signal.SIG_DFL)

    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, ask)
    running, stopping = asyncio.create_task(_run(app, prepared)), asyncio.create_task(asked.wait())
    # Not a task of the app: those start after the recovery.
    turning = asyncio.create_task(_note_turns(app))
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)

    crash = running.exception() if running.done() else None
    if crash is not None and not app.started:
        raise crash
    if crash is not None:
        # Faust has logged the traceback of what went wrong in one of its services.
        log.critical("%s crashed: %r", app.conf.id, crash, exc_info=None if app.crashed else crash)
    # A thread, since joining the consumer's thread blocks the event loop.
    deadline = threading.Timer(STOP_SECONDS, _end_late, (app.conf.id,))
    deadline.daemon = True
    deadline.start()
    # The loop ends when its threads have, and a request to a broker that is away holds one of them for long.
    afterwards.callback(deadline.cancel)
    if app.started:
        if crash is None:
            await app.lane_consumer.drain(_DRAIN_SECONDS)
        try:
            await app.stop()
        except Exception:
            log.exception("%s cannot stop in order", app.conf.id)
            stop(Exit.CRASH, f"{app.conf.id} cannot stop in order")
    for task in (running, stopping, turning):
        task.cancel()
    await asyncio.gather(running, stopping, turning, return_exceptions=True)
    return 0 if crash is None else Exit.CRASH


def _end_late(name: str) -> None:
    """End the process of the app *name*, which does not stop, and tell where it stands; takes no locks."""
    faulthandler.dump_traceback(file=2)
    stop(Exit.SHUTDOWN, f"{name} has not stopped in {STOP_SECONDS:.0f} s")


async def _note_turns(app: LaneApp) -> None:
    while True:
        app.turned()
        await asyncio.sleep(app.turn_seconds)


async def _run(app: LaneApp, prepared: Prepared) -> None:
    """Run *app* until it crashes, and raise why."""
    await wait_for_broker(app)
    async with prepared():
        await app.start()
        if not app.should_stop:
            log.info("%s is ready", app.conf.id)
        await app._crashed.wait()  # noqa: SLF001 - mode offers only a wait for the stop
        raise app.crash_reason or RuntimeError(f"{app.conf.id} ended for no reason it would tell")


async def wait_for_broker(app: LaneApp) -> None:
    """
    Return when one of the app's brokers answers; says once a minute who is waited for, and never gives up.
    """
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
