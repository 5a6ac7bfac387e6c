"""
The processes of one pipeline, each killed, frozen or stopped by its pid, and started again as a process
manager does.

What a process says goes to a file of its own; what it ended with is kept. Who is hurt when is the tests'
business.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

STOP_SECONDS = 20.0
"""Longest a process may take from SIGTERM to its end."""

_METRICS = re.compile(r'"metrics": "([0-9.:]+)"')
_RESTART_SECONDS = 1.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process ended: its name, exit code (-9 after SIGKILL), and whether the test had asked for it."""

    name: str
    code: int
    asked: bool


class Supervisor:
    """
    Processes ``python -m pipeline.cli WORDS`` by their names, in *environment*, with their logs in *folder*.

    One that ends without being told to is started again a second later, unless it is *left*. A with-block
    stops them all.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.ends: list[End] = []
        """Every end of a process so far."""
        self.environment = {**os.environ, "PYTHONFAULTHANDLER": "1", **environment}
        """Of those started from now on."""
        self._folder = folder
        self._words: dict[str, tuple[str, ...]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._born: dict[str, int] = {}  # where in its log the present life of a process begins
        self._frozen: set[str] = set()
        self._restart_at: dict[str, float] = {}
        self._asked: set[str] = set()
        self._change = threading.RLock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._keeper.join()
        self.thaw(*self._frozen)
        with suppress(subprocess.TimeoutExpired):
            self.stop(*self._running)
        for process in self._running.values():
            process.kill()
            process.wait()

    @property
    def names(self) -> list[str]:
        """Who is to run: processes that were started and not stopped."""
        return sorted(self._words)

    def start(self, name: str, *words: str) -> None:
        """Start the process *name* and keep it running."""
        with self._change:
            self._words[name] = words
            self._spawn(name)

    def kill(self, name: str, *, restart_after: float = _RESTART_SECONDS) -> None:
        """SIGKILL; it is started again after so many seconds."""
        with self._change:
            self._asked.add(name)
            self._restart_at[name] = time.monotonic() + restart_after
            self._signal(name, signal.SIGKILL)
            self._frozen.discard(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it does nothing, and nobody is told."""
        with self._change:
            self._signal(name, signal.SIGSTOP)
            self._frozen.add(name)

    def thaw(self, *names: str) -> None:
        """SIGCONT."""
        with self._change:
            for name in names:
                self._signal(name, signal.SIGCONT)
            self._frozen.difference_update(names)

    def stop(self, *names: str) -> dict[str, float]:
        """
        SIGTERM to all of *names*, and wait; they are not started again. Returns the seconds each took.

        Raises ``subprocess.TimeoutExpired`` after twice ``STOP_SECONDS``.
        """
        with self._change:
            stopping = {name: self._running.pop(name) for name in names if name in self._running}
            for name, process in stopping.items():
                del self._words[name]
                self._restart_at.pop(name, None)
                process.send_signal(signal.SIGTERM)
        started, took = time.monotonic(), {}
        for name, process in stopping.items():
            code = process.wait(2 * STOP_SECONDS)
            took[name] = time.monotonic() - started
            self.ends.append(End(name=name, code=code, asked=True))
        return took

    def abort(self, name: str) -> None:
        """SIGABRT: its log then shows where each of its threads stood."""
        self._signal(name, signal.SIGABRT)

    def wait_for_end(self, name: str, seconds: float) -> int | None:
        """
        Wait until *name* ends by itself and return its exit code; it is not started again. None if it does
        not end.

        Where it has ended and was about to be started again, that end counts.
        """
        with self._change:
            del self._words[name]
            if self._restart_at.pop(name, None) is not None:
                return [end.code for end in self.ends if end.name == name][-1]
            process = self._running[name]
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(seconds)
            del self._running[name]
            self.ends.append(End(name=name, code=code, asked=False))
            return code
        return None

    def own_ends(self, *kinds: str) -> list[End]:
        """Ends that nobody had asked for, of processes whose name begins with one of *kinds*, or of all."""
        return [end for end in self.ends if not end.asked and (not kinds or end.name.startswith(kinds))]

    def said(self, name: str) -> str:
        """Everything *name* has said, in all its lives."""
        file = self._file(name)
        return file.read_text(errors="replace") if file.exists() else ""

    def is_ready(self, name: str) -> bool:
        """
        Whether the process *name*, as it runs now, has partitions and processes them: what /readyz answers.
        """
        with self._change:
            born = self._born.get(name)
        if born is None:
            return False
        with self._file(name).open(errors="replace") as file:
            file.seek(born)
            told = _METRICS.search(file.read())
        if told is None:
            return False
        try:
            with urlopen(f"http://{told[1]}/readyz", timeout=2):
                return True
        except OSError:  # It says no by 503, and nothing before it listens.
            return False

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _spawn(self, name: str) -> None:
        self._restart_at.pop(name, None)
        with self._file(name).open("ab") as output:
            self._born[name] = output.tell()
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", *self._words[name]],
                env=self.environment,
                stdout=output,
                stderr=output,
            )

    def _signal(self, name: str, number: signal.Signals) -> None:
        if name in self._running:
            self._running[name].send_signal(number)

    def _keep(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            with self._change:
                for name in list(self._words):
                    self._look_after(name)

    def _look_after(self, name: str) -> None:
        process = self._running.get(name)
        code = None if process is None else process.poll()
        if code is not None:
            del self._running[name]
            self.ends.append(End(name=name, code=code, asked=name in self._asked))
            self._asked.discard(name)
            self._restart_at.setdefault(name, time.monotonic() + _RESTART_SECONDS)
        if name not in self._running and time.monotonic() >= self._restart_at.get(name, float("inf")):
            self._spawn(name)
