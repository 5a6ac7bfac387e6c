"""
Work on several cores: a process for every task, all at once; none of them outlives this one.

    TelltaleError
    └── ProcessDied     a process ended before it was done
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, TypeVar

from pipeline.errors import TelltaleError

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class ProcessDied(TelltaleError):  # noqa: N818 - reads as what happened
    """A process was killed, or it raised: then its traceback is on stderr."""


def in_processes(work: Callable[[_Task], _Result], tasks: Sequence[_Task]) -> list[_Result]:
    """
    What *work*, a function of a module, makes of each of *tasks*, in their order.

    The first process that dies ends the others, and so does whatever ends this one, Ctrl-C or a kill.
    """
    # Forked, they would inherit locks that another thread of this process holds.
    context = get_context("spawn")
    processes: list[BaseProcess] = []
    places: dict[Connection, int] = {}
    results: dict[int, _Result] = {}

    @contextmanager
    def talking_to(place: int) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError):
            processes[place].join()
            raise _died(place, len(tasks), processes[place].exitcode) from None

    try:
        for place in range(len(tasks)):
            ours, theirs = context.Pipe()
            processes.append(context.Process(target=_work, args=(theirs, work), daemon=True))
            with _ctrl_c_held():
                processes[place].start()
            theirs.close()  # so the pipe ends with the process
            places[ours] = place
        for connection, place in places.items():
            # Not with the start, which would wait for ever for a process that ends before it has read a large task.
            with talking_to(place):
                connection.send(tasks[place])
        while places:
            for ready in wait(list(places)):
                assert isinstance(ready, Connection)
                place = places.pop(ready)
                with talking_to(place):
                    results[place] = ready.recv()
        return [results[place] for place in range(len(tasks))]
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
                process.join()


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """A process started meanwhile never sees Ctrl-C, which a terminal sends to all: we end it, without tracebacks."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(connection: Connection, work: Callable[[Any], Any]) -> None:
    """The whole life of a process."""
    Thread(target=_end_with_parent, daemon=True).start()
    connection.send(work(connection.recv()))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # nobody is left to hear anything, so nothing is said


def _died(place: int, of: int, code: int | None) -> ProcessDied:
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    return ProcessDied(
        f"process {place + 1} of {of} {how} before it was done, so nothing is written",
        hint="If memory ran out, use fewer --processes.",
    )
