"""The tree restarts what dies, gives up on what keeps dying, and stops everything in reverse order."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.embedded.processes import BackOff, Command, ProcessDied, ProcessTree

AT_ONCE = BackOff(first=0.0)


def shell(
    name: str, script: str, *, log_file: Path | None = None, restarts: int = 0, grace: float = 10.0
) -> Command:
    return Command(
        name=name, arguments=("sh", "-c", script), log_file=log_file, restarts=restarts, grace_seconds=grace
    )


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_process_that_dies_is_restarted(tmp_path: Path, eventually: Callable[..., None]) -> None:
    """A killed worker comes back, as another process."""
    file = tmp_path / "pids"
    with ProcessTree(back_off=AT_ONCE) as tree:
        tree.start(shell("worker", "echo $$; exec sleep 1000", log_file=file, restarts=1))
        eventually(lambda: len(lines(file)) == 1)

        tree.send_signal("worker", signal.SIGKILL)

        eventually(lambda: len(lines(file)) == 2)
        assert len(set(lines(file))) == 2
        assert tree.intact


def test_the_first_death_ends_the_tree_unless_restarts_are_allowed(tmp_path: Path) -> None:
    """The error says who, how, and where its words are."""
    file = tmp_path / "migrations.log"
    with ProcessTree() as tree:
        tree.start(shell("migrations", "exit 4", log_file=file))

        with pytest.raises(ProcessDied) as died:
            tree.wait()

        assert not tree.intact
    assert str(died.value) == "process migrations exited with 4"
    assert died.value.hint == f"What it said is at the end of {file}"


def test_a_process_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    """Two restarts allowed, three starts seen; a death by signal is told as one."""
    file = tmp_path / "log"
    with ProcessTree(back_off=AT_ONCE) as tree:
        tree.start(shell("worker", "echo started; kill -SEGV $$", log_file=file, restarts=2))

        with pytest.raises(ProcessDied, match=r"^process worker was ended by SIGSEGV, 3 times in a row$"):
            tree.wait()

    assert lines(file) == ["started"] * 3


def test_a_steady_run_makes_earlier_deaths_forgotten(tmp_path: Path, eventually: Callable[..., None]) -> None:
    """With a steady time of zero every run is a steady one: one restart is allowed, and many follow."""
    file = tmp_path / "log"
    with ProcessTree(back_off=BackOff(first=0.0, steady=0.0)) as tree:
        tree.start(shell("worker", "echo started", log_file=file, restarts=1))

        eventually(lambda: len(lines(file)) > 3)

        assert tree.intact


def test_the_back_off_doubles_up_to_its_longest() -> None:
    """Half a second, then twice as long each time, never more than the longest."""
    back_off = BackOff(first=0.5, longest=3.0)

    assert [back_off.delay(deaths) for deaths in (1, 2, 3, 4, 5000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_processes_stop_in_reverse_each_before_the_next(
    tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """Who was started first, because others rely on it, is the last to go."""
    said = tmp_path / "said"
    script = "trap 'echo {0} stopping >> {1}; sleep 0.1; echo {0} stopped >> {1}; exit' TERM; echo up; while :; do sleep 0.02; done"
    with ProcessTree() as tree:
        for name in ("broker", "worker"):
            tree.start(shell(name, script.format(name, said), log_file=tmp_path / name))
            eventually(lambda name=name: lines(tmp_path / name) == ["up"])

    assert lines(said) == ["worker stopping", "worker stopped", "broker stopping", "broker stopped"]


def test_who_dies_because_another_stops_is_not_restarted(
    tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    The process started first ends as soon as the other one is told to stop, which takes its time over it.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    os.mkfifo(tmp_path / "news")
    with capture_logs() as logs, ProcessTree(back_off=AT_ONCE) as tree:
        tree.start(shell("first", f"echo up; cat {tmp_path}/news", log_file=first, restarts=5))
        script = f"trap 'echo > {tmp_path}/news; sleep 0.3; exit' TERM; echo up; while :; do sleep 0.02; done"
        tree.start(shell("second", script, log_file=second))
        eventually(lambda: lines(second))

    assert lines(first) == ["up", ""]
    assert logs == []


def test_a_stop_does_not_wait_for_a_restart(tmp_path: Path, eventually: Callable[..., None]) -> None:
    """A process that waits a quarter of an hour for its restart is not restarted, and not waited for."""
    file = tmp_path / "log"
    with capture_logs() as logs, ProcessTree(back_off=BackOff(first=900.0, longest=900.0)) as tree:
        tree.start(shell("worker", "echo started", log_file=file, restarts=5))
        eventually(lambda: logs)

    assert lines(file) == ["started"]
    assert [(entry["event"], entry["restart_in_seconds"]) for entry in logs] == [("process.died", 900.0)]


def test_who_ignores_the_stop_is_killed(tmp_path: Path, eventually: Callable[..., None]) -> None:
    """A stop ends, whatever a process thinks of it."""
    file = tmp_path / "log"
    with ProcessTree() as tree:
        tree.start(
            shell("deaf", "trap '' TERM; echo up; while :; do sleep 0.02; done", log_file=file, grace=0.1)
        )
        eventually(lambda: lines(file) == ["up"])


def test_output_without_a_file_is_passed_on_with_the_name_in_front() -> None:
    """Several processes share one terminal; each line tells whose it is, also one that is not UTF-8."""
    output = io.StringIO()
    with ProcessTree(output=output) as tree:
        tree.start(shell("worker", "echo out; echo err >&2; printf '\\351\\n'"))
        with pytest.raises(ProcessDied):
            tree.wait()

    assert output.getvalue() == "worker | out\nworker | err\nworker | \N{REPLACEMENT CHARACTER}\n"


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_an_output_that_cannot_be_written_stops_nothing(error: Exception) -> None:
    """
    `telltale run 2>&1 | head`: more than a pipe holds is taken from the process, and its death is noticed.
    """

    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise error

    with ProcessTree(output=Closed()) as tree:
        tree.start(shell("worker", "seq 100000; exit 4"))

        with pytest.raises(ProcessDied, match=r"^process worker exited with 4$"):
            tree.wait(10)


def test_who_cannot_be_restarted_ends_the_tree(tmp_path: Path) -> None:
    """Its log's folder is a file by now; whoever waits for the tree is told so, and waits no longer."""
    folder = tmp_path / "logs"
    with capture_logs() as logs, ProcessTree(back_off=AT_ONCE) as tree:
        script = f"mv {folder} {tmp_path}/old; touch {folder}"
        tree.start(shell("worker", script, log_file=folder / "worker.log", restarts=5))

        with pytest.raises(ProcessDied, match=r"^process worker cannot be kept running: FileExistsError\("):
            tree.wait(10)

    assert [entry["event"] for entry in logs] == ["process.died", "process.unwatched"]


def test_the_environment_is_ours_and_what_the_command_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Workers find PATH and settings as we do, and what only we know, such as the embedded broker's address.
    """
    monkeypatch.setenv("FROM_US", "1")
    output = io.StringIO()
    command = Command(
        name="worker", arguments=("sh", "-c", "echo $FROM_US $ADDED"), environment={"ADDED": "2"}
    )
    with ProcessTree(output=output) as tree:
        tree.start(command)
        with pytest.raises(ProcessDied):
            tree.wait()

    assert output.getvalue() == "worker | 1 2\n"


STUBBORN = """
import os, signal, subprocess, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "120"])
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print(os.getpid(), child.pid, flush=True)
time.sleep(120)
"""
"""A program that says that it was asked to stop, and goes on, as does what it has started."""

TWO_OF_THEM = f"""
import sys
from pipeline.embedded.processes import Command, ProcessTree

with ProcessTree() as tree:
    for name in ("one", "two"):
        tree.start(Command(name=name, arguments=(sys.executable, "-c", {STUBBORN!r}), grace_seconds=60))
    try:
        tree.wait()
    except KeyboardInterrupt:
        print("stopping", file=sys.stderr)
"""


def test_a_second_ctrl_c_leaves_nobody(eventually: Callable[..., None]) -> None:
    """
    The first one asks, and these two do not listen; the second one ends them at once, with what they have
    started.
    """
    program = subprocess.Popen(
        [sys.executable, "-c", TWO_OF_THEM], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert program.stderr is not None
    pids = [pid for _ in range(2) for pid in program.stderr.readline().rpartition("|")[2].split()]

    program.send_signal(signal.SIGINT)
    assert program.stderr.readline() == "stopping\n"
    assert program.stderr.readline() == "two | asked\n"  # the last that was started is the first to stop
    program.send_signal(signal.SIGINT)

    assert program.wait(20) != 0
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    program.stderr.close()


def test_a_second_ctrl_c_before_the_stop_leaves_nobody(eventually: Callable[..., None]) -> None:
    """Nobody was asked yet, and whoever was interrupted first is still busy with that."""
    busy = TWO_OF_THEM + "        import time; time.sleep(60)\n"
    program = subprocess.Popen(
        [sys.executable, "-c", busy], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert program.stderr is not None
    pids = [pid for _ in range(2) for pid in program.stderr.readline().rpartition("|")[2].split()]

    program.send_signal(signal.SIGINT)
    assert program.stderr.readline() == "stopping\n"
    program.send_signal(signal.SIGINT)

    assert program.wait(20) != 0
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    program.stderr.close()
