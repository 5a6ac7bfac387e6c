"""
A process that cannot outlive the one that started it, not even when that one is killed with -9.

Between the two stands a guard: this file, run as a script of its own. It starts the command, and listens on a
pipe, the lifeline, whose other end only the parent holds. Each byte that arrives is a signal number to pass
on; the end of the pipe, by ``stop()`` or by the parent's death, means: stop the command, clean up, leave. One
path serves both, so what happens after a kill is what happens, and is tested, at every ordinary stop.

Why not PR_SET_PDEATHSIG alone: it fires when the *thread* that forked ends, is lost when the user changes (as
it does for Postgres), exists on Linux only, and leaves files behind. The guard has one thread and sets it
after the change of user, for the remaining case that somebody kills the guard itself.

Only the standard library, and nothing of Telltale: the script runs isolated, wherever Telltale is imported
from.
"""

import contextlib
import ctypes
import json
import math
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

_STOP_REQUESTS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_KILL_REQUEST = signal.SIGUSR1
"""
Asks the guard not to wait any longer; other requests to stop may come twice, from a parent and from the
system.
"""

LOOK_SECONDS = 0.5
"""
No wait is longer than this without a look: Python hears of a Ctrl-C that comes just before a blocking call
only when that call returns.
"""

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What a guard is asked to do; crosses to it as JSON in its one argument."""

    commands: Sequence[Sequence[str]]
    user: int | None
    group: int | None
    stop_signal: int
    grace_seconds: float
    remove: str | None


class GuardedProcess:
    """
    Commands run one after another under a guard; they end, at the latest, with the process that made this.

    Each command starts when the one before it exited with 0, in a process group of its own, out of reach of
    the terminal's Ctrl-C. *directory* is where it works; *output* takes its stdout and stderr, else they go
    where ours go; *user* and *group* (ids) it runs as need root. A stop sends *stop_signal* to the command,
    and after *grace_seconds* SIGKILL to its whole group. *remove* is a directory that is deleted at the very
    end.
    """

    def __init__(
        self,
        *commands: Sequence[str],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        output: IO[bytes] | int | None = None,
        user: int | None = None,
        group: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 10.0,
        remove: Path | None = None,
    ) -> None:
        order = _Order(
            commands=commands,
            user=user,
            group=group,
            stop_signal=stop_signal,
            grace_seconds=grace_seconds,
            remove=None if remove is None else str(remove),
        )
        self._guard = subprocess.Popen(  # noqa: S603 - our own file, an argument list, no shell
            [sys.executable, "-I", "-S", __file__, json.dumps(asdict(order))],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )

        assert self._guard.stdin is not None
        self._lifeline = self._guard.stdin

    @property
    def guard_pid(self) -> int:
        """Process id of the guard; the command is its only child."""
        return self._guard.pid

    @property
    def output(self) -> IO[bytes] | None:
        """What the command prints, if *output* was ``subprocess.PIPE``."""
        return self._guard.stdout

    def poll(self) -> int | None:
        """Exit code, 128 + n after signal n, or None while the command runs."""
        return self._guard.poll()

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for the end and return the exit code; raises ``subprocess.TimeoutExpired``."""
        code = self._guard.wait(timeout_seconds)
        self._let_go()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """
        Pass a signal to the command (not to its guard); nothing happens if it has ended or is being stopped.
        """
        if not self._lifeline.closed:
            with contextlib.suppress(BrokenPipeError):  # The guard is gone, and its command with it.
                self._lifeline.write(bytes([number]))
                self._lifeline.flush()

    def stop(self) -> int:
        """Stop in order, wait for the end, return the exit code. May be called again, and from any thread."""
        self._let_go()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._guard.wait(LOOK_SECONDS)

    def kill(self) -> None:
        """
        End the command at once and with all it has started; cleaning up is still the guard's, and is not
        waited for.
        """
        with contextlib.suppress(ProcessLookupError):
            self._guard.send_signal(_KILL_REQUEST)
        self._let_go()

    def _let_go(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # A signal that came too late is still in the buffer.
            self._lifeline.close()


class _Guard:
    """The script's side: runs the commands of one order, with one thread and one ``select``."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        self._lifeline: int | None = sys.stdin.fileno()
        self._stopping = False
        self._kill_at = math.inf
        self._alarm, alarm_end = os.pipe()
        os.set_blocking(self._alarm, False)
        os.set_blocking(alarm_end, False)
        signal.set_wakeup_fd(alarm_end)
        for number in (signal.SIGCHLD, _KILL_REQUEST, *_STOP_REQUESTS):
            # A handler that does nothing: the wake-up pipe carries the number, and exec resets it for the
            # command.
            signal.signal(number, lambda *_: None)

    def run(self) -> int:
        """Run all commands; the exit code is that of the first one that failed or was stopped, else 0."""
        for command in self._order.commands:
            if self._stopping:
                return 128 + self._order.stop_signal
            code = self._run(command)
            if code != 0:
                return code
        return 0

    def _run(self, command: Sequence[str]) -> int:
        try:
            child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                process_group=0,
                user=self._order.user,
                group=self._order.group,
                extra_groups=None if self._order.user is None else [],
                preexec_fn=_signal_on_death_of_parent(self._order.stop_signal),  # noqa: PLW1509 - one thread
            )
        except OSError as error:
            print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - the command's log
            return 127
        while child.poll() is None:
            self._listen(child)
            if time.monotonic() >= self._kill_at:
                _kill_group(child.pid)
                self._kill_at = math.inf
        _kill_group(child.pid)  # What the command started and left behind.
        return child.returncode if child.returncode >= 0 else 128 - child.returncode

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        """
        Wait for one of: a signal number, the end of the lifeline, a request to stop, the end of the child.
        """
        sources = [self._alarm] if self._lifeline is None else [self._alarm, self._lifeline]
        patience = None if self._kill_at == math.inf else max(0.0, self._kill_at - time.monotonic())
        ready, _, _ = select.select(sources, [], [], patience)
        alarms = os.read(self._alarm, 64) if self._alarm in ready else b""
        if not _STOP_REQUESTS.isdisjoint(alarms):
            self._stop(child)
        if _KILL_REQUEST in alarms:
            self._stop(child)
            self._kill_at = time.monotonic()
        if self._lifeline in ready:
            numbers = os.read(self._lifeline, 64)
            for number in numbers:
                child.send_signal(number)
            if not numbers:
                self._lifeline = None
                self._stop(child)

    def _stop(self, child: subprocess.Popen[bytes]) -> None:
        if not self._stopping:
            self._stopping = True
            self._kill_at = time.monotonic() + self._order.grace_seconds
            child.send_signal(self._order.stop_signal)


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:  # Nobody of the group is left, as it should be.
        return


def _signal_on_death_of_parent(number: int) -> Callable[[], None] | None:
    """For the child, between fork and exec: have Linux send it *number* when its guard is killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, number)

    return ask


def _main() -> int:
    order = _Order(**json.loads(sys.argv[1]))
    try:
        return _Guard(order).run()
    finally:
        if order.remove is not None:
            shutil.rmtree(order.remove)


if __name__ == "__main__":
    sys.exit(_main())
