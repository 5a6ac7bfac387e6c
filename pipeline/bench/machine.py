"""
What the machine and one process on it use, from Linux's /proc; on other systems these results are missing.

Sampled from outside while a process runs, so that what is measured need not know of it.
"""

import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_EVERY_SECONDS: Final = 0.1
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_IDLE: Final = slice(3, 5)  # idle and waiting for a disk, in the first line of /proc/stat


class _Sample(NamedTuple):
    """At *at* (wall clock, seconds): CPU seconds of the process and of the whole machine, bytes of memory."""

    at: float
    process: float
    machine: float
    resident: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    What a process used in a stretch of time.

    *busy_cores* is the machine's, all processes together: above what worker and broker need, somebody else
    was there.
    """

    cpu_seconds: float
    resident_bytes: int
    busy_cores: float


class Sampler:
    """Watches process *pid* from its construction until it ends or ``stop`` is called."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: list[_Sample] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"sample-{pid}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples."""
        self._over.set()
        self._thread.join()

    def usage(self, begin: float, end: float) -> Usage | None:
        """
        Between *begin* and *end* (wall clock, seconds), to a tenth of a second; None for fewer than two
        samples.
        """
        within = [
            sample for sample in self._samples if begin - _EVERY_SECONDS <= sample.at <= end + _EVERY_SECONDS
        ]
        if len(within) < 2:
            return None
        first, last = within[0], within[-1]
        seconds = last.at - first.at
        return Usage(
            cpu_seconds=(last.process - first.process) * min(1.0, (end - begin) / seconds),
            resident_bytes=max(sample.resident for sample in within),
            busy_cores=(last.machine - first.machine) / seconds,
        )

    def _watch(self) -> None:
        try:
            while not self._over.wait(_EVERY_SECONDS):
                self._samples.append(_sample(self._pid))
        except (FileNotFoundError, ProcessLookupError):
            return  # The process has ended, or there is no /proc.


def _sample(pid: int) -> _Sample:
    # The name in front may have blanks and brackets of its own.
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    times = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    return _Sample(
        time.time(),
        (int(fields[11]) + int(fields[12])) / _TICKS,
        (sum(times) - sum(times[_IDLE])) / _TICKS,
        int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
    )


def only_child(pid: int) -> int | None:
    """
    The one process that *pid* has started, as soon as it is there; None without /proc, or if it does not
    come.
    """
    children = _PROC / str(pid) / "task" / str(pid) / "children"
    for _ in range(100):
        try:
            found = children.read_text().split()
        except FileNotFoundError:
            return None
        if found:
            return int(found[0])
        time.sleep(0.01)
    return None


def describe() -> dict[str, object]:
    """The machine in a row: processor, cores, system, Python, and the load of the last minute."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
