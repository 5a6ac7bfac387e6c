"""
A tree of processes for one machine: start them, watch them, restart what dies, stop them in order.

``telltale run`` and ``telltale demo`` keep their workers with it; in production every worker is started by
itself and kept by systemd or Kubernetes. Each process is guarded (see ``guard``), so none outlives this one.
"""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import structlog

from pipeline.embedded.guard import LOOK_SECONDS, GuardedProcess
from pipeline.errors import TelltaleError

log = structlog.get_logger(__name__)


class ProcessDied(TelltaleError):  # noqa: N818 - reads as what happened
    """A process of the tree ended and is not restarted, or not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """
    A process to be kept running: for it to end by itself, even with exit code 0, is to die.

    *environment* is added to ours. Output goes to the end of *log_file*, else line by line, with *name* in
    front, to where the tree prints. *restarts* deaths in a row are answered with a restart, the next one ends
    the tree; 0 means the first one does. Between SIGTERM and SIGKILL it has *grace_seconds*.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    restarts: int = 0
    grace_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    """
    Seconds before a restart: doubled with each death in a row; a process that ran *steady* begins a new row.
    """

    first: float = 0.5
    longest: float = 30.0
    steady: float = 60.0

    def delay(self, deaths: int) -> float:
        """Seconds to wait after the n-th death in a row, *deaths* counted from 1."""
        return min(self.longest, self.first * 2.0 ** min(deaths - 1, 100))  # A float ends at 2 ** 1024.


class ProcessTree:
    """
    Processes started one by one, and stopped one by one in reverse: so start those first that others rely on.

    A with-block stops them at its end. Output without a log file goes to *output*, by default stderr; a line
    that cannot be written there, because nobody reads any more, is left out.
    """

    def __init__(self, *, back_off: BackOff | None = None, output: TextIO | None = None) -> None:
        self._back_off = back_off or BackOff()
        self._output = output or sys.stderr
        self._members: dict[str, _Member] = {}
        self._over = threading.Event()
        self._death: ProcessDied | None = None
        self._interrupt: KeyboardInterrupt | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._is_second(error):
                self._kill()
            else:
                self.stop()
        except KeyboardInterrupt:
            self._kill()
            raise

    @property
    def intact(self) -> bool:
        """Whether every process runs or is about to be restarted; no longer true after a stop."""
        return not self._over.is_set()

    def start(self, command: Command) -> None:
        """Start a process and keep it; its name must be new to the tree."""
        assert command.name not in self._members, command.name
        self._members[command.name] = _Member(
            command, back_off=self._back_off, output=self._output, on_end=self._end
        )

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process of that name, for instance SIGKILL to see it come back."""
        self._members[name].process.send_signal(number)

    def wait(self, timeout_seconds: float | None = None) -> None:
        """
        Wait for the stop of the tree, or until the timeout; raises ProcessDied as soon as a death ends the
        tree.
        """
        give_up_at = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        try:
            while not self._over.is_set() and (left := give_up_at - time.monotonic()) > 0:
                self._over.wait(min(left, LOOK_SECONDS))
        except KeyboardInterrupt as interrupt:
            self._interrupt = interrupt
            raise
        if self._death is not None:
            raise self._death

    def stop(self) -> None:
        """
        Stop all processes, the one started last first, each before the next; safe to call again.

        An interrupt meanwhile kills those that are left.
        """
        try:
            self._restart_no_more()
            for member in reversed(self._members.values()):
                member.stop()
        except KeyboardInterrupt:
            self._kill()
            raise

    def _restart_no_more(self) -> None:
        self._over.set()
        for member in self._members.values():
            member.restart_no_more()

    def stop_together(self, timeout_seconds: float) -> None:
        """
        Ask all processes to stop at the same time, and wait for them that long; ``stop`` ends those that are
        left.

        An interrupt meanwhile kills them.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            self._restart_no_more()
            self._send_to_all(signal.SIGTERM)
            for member in self._members.values():
                with suppress(subprocess.TimeoutExpired):
                    member.process.wait(max(0.0, deadline - time.monotonic()))
        except KeyboardInterrupt:
            self._send_to_all(signal.SIGKILL)
            raise

    def _is_second(self, error: BaseException | None) -> bool:
        """Whether *error* is a Ctrl-C that came after another one, before the stop that it asked for."""
        if not isinstance(error, KeyboardInterrupt):
            return False
        return isinstance(error.__context__, KeyboardInterrupt) or self._interrupt not in {None, error}

    def _kill(self) -> None:
        """Takes no lock: an interrupt can come just after one was taken, and it is then never given back."""
        for member in self._members.values():
            member.kill()

    def _send_to_all(self, number: signal.Signals) -> None:
        for member in self._members.values():
            member.process.send_signal(number)

    def _end(self, death: ProcessDied) -> None:
        self._death = self._death or death
        self._over.set()


class _Member:
    """One command, its present process, and the thread that waits for that process to die."""

    def __init__(
        self, command: Command, *, back_off: BackOff, output: TextIO, on_end: Callable[[ProcessDied], None]
    ) -> None:
        self._command = command
        self._back_off = back_off
        self._output = output
        self._on_end = on_end
        self._stopping = threading.Event()
        self._killed = False  # Not an event, whose lock may be lost to an interrupt.
        self._change = threading.Lock()  # Held to restart and to stop, so that no restart slips past a stop.
        self.process = self._start()
        self._keeper = threading.Thread(target=self._keep, name=f"keep-{command.name}", daemon=True)
        self._keeper.start()

    def restart_no_more(self) -> None:
        self._stopping.set()

    @property
    def _is_over(self) -> bool:
        return self._killed or self._stopping.is_set()

    def kill(self) -> None:
        self._killed = True
        self.process.kill()

    def stop(self) -> None:
        with self._change:
            self.process.stop()
        self._keeper.join()

    def _start(self) -> GuardedProcess:
        command = self._command
        environment = {**os.environ, **command.environment}
        if command.log_file is None:
            return GuardedProcess(
                command.arguments,
                environment=environment,
                output=subprocess.PIPE,
                grace_seconds=command.grace_seconds,
            )
        command.log_file.parent.mkdir(parents=True, exist_ok=True)
        with command.log_file.open("ab") as file:
            return GuardedProcess(
                command.arguments, environment=environment, output=file, grace_seconds=command.grace_seconds
            )

    def _keep(self) -> None:
        try:
            self._restart_until_the_end()
        except Exception as error:
            # First of all: who waits for the tree would wait for ever.
            self._on_end(ProcessDied(f"process {self._command.name} cannot be kept running: {error!r}"))
            log.exception("process.unwatched", process=self._command.name)

    def _restart_until_the_end(self) -> None:
        deaths = 0
        while True:
            began = time.monotonic()
            code = self._pass_on_output()
            if self._is_over:
                return
            deaths = 1 if time.monotonic() - began >= self._back_off.steady else deaths + 1
            how = _ending(code)
            if deaths > self._command.restarts:
                log.error("process.given_up", process=self._command.name, ending=how, deaths=deaths)
                self._on_end(self._died(how, deaths))
                return
            delay = self._back_off.delay(deaths)
            log.warning("process.died", process=self._command.name, ending=how, restart_in_seconds=delay)
            if self._stopping.wait(delay):
                return
            with self._change:
                if self._is_over:
                    return
                self.process = self._start()

    def _pass_on_output(self) -> int:
        """
        Print what the process prints, as far as that can be written, until its end; return its exit code.
        """
        if self.process.output is not None:
            with self.process.output as lines:
                for line in lines:
                    text = line.decode(errors="replace").rstrip("\n")
                    # `| head` has had enough, or the terminal is gone; the pipe is emptied all the same.
                    with suppress(OSError, ValueError):
                        self._output.write(f"{self._command.name} | {text}\n")
        return self.process.wait()

    def _died(self, how: str, deaths: int) -> ProcessDied:
        times = "" if deaths == 1 else f", {deaths} times in a row"
        file = self._command.log_file
        return ProcessDied(
            f"process {self._command.name} {how}{times}",
            hint="What it said is above." if file is None else f"What it said is at the end of {file}",
        )


def _ending(code: int) -> str:
    try:
        return f"was ended by {signal.Signals(code - 128).name}"
    except ValueError:  # Not 128 plus a signal's number: its own exit code.
        return f"exited with {code}"
