"""What we start listens on this machine only, and is gone with us, however we go."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from pipeline.embedded.kafka_local import kafka_unavailable

CHECKOUT = Path(__file__).parents[2]
# 127.0.0.1 as the kernel prints it, and as it prints it for a socket of IPv6, as Java's are.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
LISTENING = "0A"
# What /proc says of a process, or one of its files, that has ended while it was looked at: Postgres has such
# helpers.
ENDED = (FileNotFoundError, ProcessLookupError)

# Each starts something and tells the ports it should be reached at.
STARTS = {
    "broker": """
from pipeline.embedded.broker import EmbeddedBroker
ports = [int(EmbeddedBroker().start().partition(":")[2])]
""",
    "postgres": """
from pipeline.embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres()
server.start()
ports = [server.port]
""",
    "processes": """
import time
from pipeline.embedded.ports import free_port, wait_for_port
from pipeline.embedded.processes import Command, ProcessTree
ports = [free_port(), free_port()]
tree = ProcessTree()
for port in ports:
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    tree.start(Command(name=str(port), arguments=command, restarts=3))
    assert wait_for_port(port, timeout_seconds=20, still_worth_it=lambda: tree.intact)
""",
    "kafka": """
from pathlib import Path
from pipeline.embedded.kafka_local import LocalKafka
kafka = LocalKafka(Path(sys.argv[1]))
kafka.start()
ports = [kafka.port]
""",
}

LIGHT = ("broker", "postgres", "processes")

pytestmark = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="looks into /proc, which is Linux's"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A process that started servers: the ports it told, what it may write temporary files to."""

    process: subprocess.Popen[str]
    ports: list[int]
    temporary: Path

    def family(self) -> set[int]:
        """All processes that descend from it, itself included."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except ENDED:
                continue
            parents[int(stat.parent.name)] = int(fields[1])
        family = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return family


@pytest.fixture
def parent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Parent]:
    reason = kafka_unavailable() if request.param == "kafka" else None
    if reason is not None:
        pytest.skip(f"needs Apache Kafka: {reason}")
    script = (
        f"import json, sys\n{STARTS[request.param]}\nprint(json.dumps(ports), flush=True)\nsys.stdin.read()"
    )
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        temporary.chmod(0o755)  # Root's PostgreSQL runs as nobody, who has to reach it.
        with (
            (tmp_path / "stderr").open("wb") as stderr,
            subprocess.Popen(
                [sys.executable, "-c", script, str(tmp_path)],
                cwd=CHECKOUT,
                env={**os.environ, "TMPDIR": name},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told, (tmp_path / "stderr").read_text()
            yield Parent(process=process, ports=json.loads(told), temporary=temporary)


@pytest.mark.parametrize("parent", [*LIGHT, pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_servers_listen_on_this_machine_only(parent: Parent) -> None:
    """No port is open to the network, not even one that nobody was told about."""
    inodes = {inode for pid in parent.family() for inode in _sockets(pid)}
    listening = [line for line in _connections() if line[3] == LISTENING and line[9] in inodes]

    assert {line[1].partition(":")[0] for line in listening} <= LOOPBACK
    assert set(parent.ports) <= {int(line[1].partition(":")[2], 16) for line in listening}


@pytest.mark.parametrize(
    ("parent", "end"),
    [
        *product(LIGHT, ("SIGKILL", "SIGTERM", "SIGINT")),
        pytest.param("kafka", "SIGKILL", marks=pytest.mark.kafka),
    ],
    indirect=["parent"],
)
def test_nothing_is_left_when_we_are_gone(parent: Parent, end: str, eventually: Callable[..., None]) -> None:
    """No process, no temporary file, no shared memory; nobody had the time to say goodbye."""
    family = parent.family()
    assert len(family) > 1
    shared_memory = {name for pid in family for name in _shared_memory(pid)}

    parent.process.send_signal(signal.Signals[end])
    parent.process.wait()

    eventually(lambda: not [pid for pid in family if Path(f"/proc/{pid}").exists()])
    assert list(parent.temporary.iterdir()) == []
    assert not [name for name in shared_memory if Path(name).exists()]


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that a process holds."""
    targets = set()
    with suppress(*ENDED):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(*ENDED):
                targets.add(str(entry.readlink()))
    return {target[8:-1] for target in targets if target.startswith("socket:[")}


def _connections() -> list[list[str]]:
    """
    Return the rows of the kernel's tables: address and port, in hexadecimal, in [1], state in [3], inode in
    [9].
    """
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    return [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]


def _shared_memory(pid: int) -> set[str]:
    maps: list[str] = []
    with suppress(*ENDED):
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[5] for line in maps if "/dev/shm/" in line and "(deleted)" not in line}
