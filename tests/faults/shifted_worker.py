"""
A worker whose wall clock is wrong: `python shifted_worker.py SECONDS start|signal worker health`.

The clock is off by so many seconds from the start on, or from SIGUSR1 on; the monotonic clock stays right, as
where somebody has set a machine's time.
"""

import functools
import signal
import sys
import time

from agents import app
from agents.time_source import TimeSource
from pipeline.cli import main


def shift(seconds: float) -> None:
    """Put ``time.time`` and ``time.time_ns`` off by *seconds*."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)


if __name__ == "__main__":
    # The default has taken hold of the right clock by now.
    asked_each_time = TimeSource(wall=lambda: time.time())  # noqa: PLW0108 - looked up each time
    app.make_app = functools.partial(app.make_app, time_source=asked_each_time)
    off_by = float(sys.argv[1])
    if sys.argv[2] == "start":
        shift(off_by)
    else:
        signal.signal(signal.SIGUSR1, lambda *_: shift(off_by))
    main(sys.argv[3:])
