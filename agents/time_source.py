"""Where a worker's time comes from: given by constructor, so that a test can turn the hands of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSource:
    """
    The two clocks of a machine.

    *wall* gives seconds since 1970, UTC, and may be set; *monotonic* gives seconds since some moment.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> int:
        """The wall clock in ms UTC."""
        return int(self.wall() * 1000)


SYSTEM_TIME: Final = TimeSource()
"""The machine's own clocks."""
