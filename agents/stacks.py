"""
Logs where every thread and every task of a process stands: the trace a worker leaves before it is killed.

Files, lines and functions only, without the values of variables, in which people's data are.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final

import structlog

log = structlog.get_logger(__name__)

_MOST_TASKS: Final = 200
"""Tasks logged of each loop; Faust has some 50, and the first ones are the oldest."""


def log_stacks(loops: Iterable[asyncio.AbstractEventLoop]) -> None:
    """Log a line for each thread and for each task of *loops*, innermost call last; safe from any thread."""
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to another thread's frame
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is not None:
            calls = [_call(each, line) for each, line in traceback.walk_stack(frame)]
            log.error("worker.thread_stack", thread=thread.name, stack=calls[::-1])
    for loop in loops:
        tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
        for task in tasks[:_MOST_TASKS]:
            log.error("worker.task_stack", task=task.get_name(), stack=_awaits(task.get_coro()))
        if len(tasks) > _MOST_TASKS:
            log.error("worker.task_stacks_left_out", tasks=len(tasks) - _MOST_TASKS)


def _awaits(waiting: Any) -> list[str]:
    """The calls from the coroutine *waiting* to what it awaits; a task's own stack shows only the first."""
    calls = []
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is None:
            break
        calls.append(_call(frame, frame.f_lineno))
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return calls


def _call(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_filename}:{line} {frame.f_code.co_qualname}"
