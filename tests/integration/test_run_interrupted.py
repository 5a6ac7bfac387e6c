"""`telltale run` as a user meets it at a terminal: a second one on the same ports, and Ctrl-C twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.embedded.ports import free_port, is_free

RUN = [sys.executable, "-m", "pipeline.cli", "run"]


def three_free_ports() -> int:
    """The first of three free ports in a row."""
    while True:
        first = free_port()
        if is_free(first + 1) and is_free(first + 2):
            return first


def processes_with(mark: str) -> set[int]:
    """Processes, ours and others', that were started with *mark* in their environment; zombies have none."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                environment = (process / "environ").read_bytes()
            except OSError:  # It ended meanwhile, or is somebody else's.
                continue
            if mark.encode() in environment:
                found.add(int(process.name))
    return found


def words_of(pid: int) -> list[str]:
    """The command of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


@pytest.mark.timeout(120)
def test_a_second_ctrl_c_ends_everything_at_once(
    broker: str, postgres: str, eventually: Callable[..., None], tmp_path: Path
) -> None:
    """
    No worker, no sink and no guard is left, though one of them is frozen and would be waited for.

    Before that, a run on the same ports does not even start.
    """
    mark = f"run-{uuid4().hex}-"
    settings = {
        "TELLTALE_BROKERS": broker,
        "TELLTALE_DATABASE_URL": postgres,
        "TELLTALE_PSEUDONYM_KEY": "k" * 32,
        "TELLTALE_PARTITIONS": "4",
        "TELLTALE_TOPIC_PREFIX": mark,
        "TELLTALE_METRICS_PORT": str(three_free_ports()),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELLTALE_")}
    log = tmp_path / "log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            RUN,
            env=environment | settings,
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            start_new_session=True,
        )
    try:
        eventually(lambda: log.read_text().count(" is ready") == 2, timeout_seconds=60)
        assert len(processes_with(mark)) >= 1 + 3
        second = subprocess.run(
            RUN, env=environment | settings, capture_output=True, text=True, timeout=60, check=False
        )

        (frozen,) = (pid for pid in processes_with(mark) if words_of(pid)[-2:] == ["worker", "health"])
        os.kill(frozen, signal.SIGSTOP)
        os.killpg(running.pid, signal.SIGINT)  # To the foreground's group, as a terminal does.
        eventually(lambda: "stopping\n" in log.read_text())
        os.killpg(running.pid, signal.SIGINT)
        running.wait(15)  # In order it would take the frozen one's 20 s, and its grace.

        eventually(lambda: not processes_with(mark), timeout_seconds=5)
    finally:
        for left in processes_with(mark):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        running.wait()
    assert second.returncode == 1
    assert "sink cannot serve its metrics on 127.0.0.1:" in second.stderr
    assert "Address already in use" in second.stderr
    assert "TELLTALE_METRICS_PORT" in second.stderr
    assert running.returncode != 0
    assert "Traceback" not in log.read_text()
