"""
A guarded process ends when it is told to and when its guard dies, and takes everything it started along.
"""

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.embedded.guard import GuardedProcess

Started = tuple[GuardedProcess, str]

needs_linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks into /proc, which is Linux's"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")


@pytest.fixture
def shell() -> Iterator[Callable[..., Started]]:
    """Start a guarded shell script; return it with the first line it printed, so with its traps set."""
    started: list[GuardedProcess] = []

    def start(script: str, **options: Any) -> Started:
        process = GuardedProcess(["sh", "-c", script], output=subprocess.PIPE, **options)
        started.append(process)
        assert process.output is not None
        return process, process.output.readline().decode().strip()

    yield start
    for process in started:
        process.stop()
        assert process.output is not None
        process.output.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_commands_run_one_after_another(tmp_path: Path) -> None:
    """A server can be preceded by what prepares its files."""
    file = tmp_path / "said"

    code = GuardedProcess(["sh", "-c", f"echo one >> {file}"], ["sh", "-c", f"echo two >> {file}"]).wait()

    assert code == 0
    assert file.read_text() == "one\ntwo\n"


def test_a_failed_command_is_the_last_one(tmp_path: Path) -> None:
    """
    No server is started on files that could not be prepared, and its exit code tells which way it failed.
    """
    file = tmp_path / "said"

    code = GuardedProcess(["sh", "-c", "exit 3"], ["touch", str(file)]).wait()

    assert code == 3
    assert not file.exists()


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The log says what could not be run, and the exit code is the shell's for it."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        code = GuardedProcess(["no-such-program"], output=file).wait()

    assert code == 127
    assert log.read_text() == "cannot run no-such-program: No such file or directory\n"


def test_a_stop_sends_the_stop_signal_and_returns_the_exit_code(shell: Callable[..., Started]) -> None:
    """The command may tidy up, and say how that went."""
    process, _ = shell(
        "trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done", stop_signal=signal.SIGINT
    )

    assert process.stop() == 7


def test_a_stop_begins_no_further_command(tmp_path: Path) -> None:
    """Stopped while files are prepared, the server must not come up afterwards."""
    file = tmp_path / "said"
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    process = GuardedProcess(
        ["sh", "-c", f"trap 'exit 0' TERM; echo > {ready}; while :; do sleep 0.05; done"],
        ["touch", str(file)],
    )
    ready.read_text()

    process.stop()

    assert not file.exists()


def test_who_does_not_stop_in_time_is_killed(shell: Callable[..., Started]) -> None:
    """After the grace comes SIGKILL: 128 + 9."""
    process, _ = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done", grace_seconds=0.1)

    assert process.stop() == 137


@needs_linux
def test_what_the_command_started_ends_with_it(
    shell: Callable[..., Started], eventually: Callable[..., None]
) -> None:
    """A process left behind would hold ports and files of the next start."""
    process, pid = shell("sleep 1000 & echo $!")

    assert process.wait() == 0
    eventually(lambda: not alive(int(pid)))


def test_a_signal_reaches_the_command(shell: Callable[..., Started]) -> None:
    """To see what a crash does, a test kills the command, and the guard reports it."""
    process, _ = shell("echo ready; exec sleep 1000")

    process.send_signal(signal.SIGKILL)

    assert process.wait() == 137


def test_a_signal_after_the_end_is_ignored(shell: Callable[..., Started]) -> None:
    """Who sends signals cannot know that the command ended a moment ago."""
    process, _ = shell("echo ready")
    process.wait()

    process.send_signal(signal.SIGTERM)

    assert process.stop() == 0


def test_the_directory_goes_last(tmp_path: Path, shell: Callable[..., Started]) -> None:
    """The command can still use it while it stops; after the stop it is gone."""
    directory = tmp_path / "data"
    directory.mkdir()
    kept = tmp_path / "kept"
    process, _ = shell(
        f"trap 'cp {directory}/file {kept}; exit 0' TERM; echo x > {directory}/file; echo ready; while :; do sleep 0.05; done",
        remove=directory,
    )

    process.stop()

    assert kept.exists()
    assert not directory.exists()


def test_the_terminal_cannot_reach_it(shell: Callable[..., Started]) -> None:
    """Ctrl-C goes to the terminal's foreground group; who supervises decides what it means for the others."""
    process, pid = shell("echo $$; exec sleep 1000")

    assert os.getsid(process.guard_pid) != os.getsid(0)
    assert os.getpgid(int(pid)) not in {os.getpgid(0), os.getpgid(process.guard_pid)}


@needs_linux
@pytest.mark.parametrize("user", ["ours", pytest.param("nobody", marks=needs_root)])
def test_it_ends_when_its_guard_is_killed(
    user: str, shell: Callable[..., Started], eventually: Callable[..., None]
) -> None:
    """Also for another user, although Linux forgets the wish for a signal when the user changes."""
    account = pwd.getpwuid(os.geteuid()) if user == "ours" else pwd.getpwnam(user)
    who = {} if user == "ours" else {"user": account.pw_uid, "group": account.pw_gid}
    process, pid = shell("echo $$; exec sleep 1000", **who)
    assert Path(f"/proc/{pid}").stat().st_uid == account.pw_uid

    os.kill(process.guard_pid, signal.SIGKILL)

    eventually(lambda: not alive(int(pid)))
