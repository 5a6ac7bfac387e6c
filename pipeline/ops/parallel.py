"""
A process for every task, all at once; none of them outlives this one.

    TelltaleError
    └── WorkerDied     a process ended before it was done
"""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import TypeVar

from pipeline.errors import TelltaleError

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class WorkerDied(TelltaleError):  # noqa: N818 - reads as what happened
    """A process was killed, as the system does when memory runs out."""


def in_processes(work: Callable[[_Task], _Result], tasks: Sequence[_Task]) -> list[_Result]:
    """
    What *work*, a function of a module, makes of each of *tasks*, in their order.

    The first process that raises or dies ends the others, and so does whatever ends this one, Ctrl-C or a
    kill. Raises what *work* raises, and ``WorkerDied``.
    """
    # Forked, they would inherit locks that another thread of this process holds.
    pool = ProcessPoolExecutor(len(tasks), mp_context=get_context("spawn"), initializer=_live_with_parent)
    # A terminal sends Ctrl-C to all. A process that is started while it is held never sees it; we end them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        futures = [pool.submit(work, task) for task in tasks]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        return [future.result() for future in futures]
    except BrokenProcessPool:
        raise WorkerDied(
            f"one of {len(tasks)} processes was killed before it was done, so nothing is written",
            hint="If memory ran out, use fewer --processes.",
        ) from None
    finally:
        for process in active_children():
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _live_with_parent() -> None:
    """End this process when the one that started it has ended, however that happened."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # nobody is left to hear anything, so nothing is said
