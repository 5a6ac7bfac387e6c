"""Processes that work for this one: their results, and that none of them is left over."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.ops.parallel import WorkerDied, in_processes

SCRIPT = """
import os, time
from pipeline.ops.parallel import in_processes

def work(number):
    print(number, flush=True)
    time.sleep(60)

if __name__ == "__main__":
    in_processes(work, [1, 2])
"""


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail(number: int) -> int:
    return 1 // number


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def test_results_come_in_the_order_of_the_tasks() -> None:
    """None of them was done here."""
    found = in_processes(square, [3, 1, 2])

    assert [result for result, _ in found] == [9, 1, 4]
    assert os.getpid() not in {pid for _, pid in found}


def test_a_process_that_raises_ends_it_all() -> None:
    """What it raised is raised here, with its traceback as the cause."""
    with pytest.raises(ZeroDivisionError) as raised:
        in_processes(fail, [1, 0])

    assert "in fail" in str(raised.value.__cause__)


def test_a_process_that_is_killed_ends_it_all() -> None:
    """As the system does it when memory runs out: silently."""
    with pytest.raises(WorkerDied, match="one of 1 processes was killed before it was done") as died:
        in_processes(die, [signal.SIGKILL])

    assert died.value.hint == "If memory ran out, use fewer --processes."


class Deadly:
    """Work that kills a process as soon as it is read there."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return die, (signal.SIGKILL,)

    def __call__(self, _task: bytes) -> None:
        raise AssertionError("nobody lives to call it")


def test_a_process_that_dies_before_it_has_its_task_ends_it_all() -> None:
    """However large the task is, nobody waits for a reader who is gone."""
    with pytest.raises(WorkerDied, match="one of 2 processes was killed"):
        in_processes(Deadly(), [bytes(5_000_000)] * 2)


@pytest.fixture
def working(tmp_path: Path) -> subprocess.Popen[str]:
    """A program with two processes at work, in a process group of its own as a terminal would have it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    program = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    assert {program.stdout.readline() for _ in range(2)} == {"1\n", "2\n"}
    return program


def test_ctrl_c_ends_them_without_a_word_of_theirs(working: subprocess.Popen[str]) -> None:
    """A terminal sends it to all; one traceback, ours, is enough."""
    os.killpg(working.pid, signal.SIGINT)

    out, err = working.communicate(timeout=20)  # until the last process that has our pipes is gone

    assert (out, err.count("Traceback"), working.returncode) == ("", 1, -signal.SIGINT)


def test_they_do_not_outlive_a_program_that_is_killed(working: subprocess.Popen[str]) -> None:
    """It has no time left to end them."""
    working.kill()

    out, err = working.communicate(timeout=20)

    assert out == ""
    assert "Traceback" not in err
