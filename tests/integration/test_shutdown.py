"""SIGTERM under load: a worker finishes, commits and leaves within 20 s, and the next one repeats nothing."""

import _thread
import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.worker import STOP_SECONDS
from pipeline.embedded.processes import Command, ProcessTree
from pipeline.health.events import LogEntry, Login
from pipeline.wire.inputs import InputEncoder
from pipeline.wire.position import PARTITION_RECORD, unpack_position
from tests.integration.command_line import Telltale
from tests.integration.running_pipeline import Outsider, RunningPipeline
from tests.integration.test_pipeline_embedded import a_login
from tests.integration.worker_log import CODEC, CONTRACT, PARTITIONS, REGISTRY, AccountLog, key_and_value

START = 1_770_000_000_000
LOGINS = CONTRACT.input("login").name
CHANGELOG = "telltale-health-state-changelog"
SCRIPT = Path(__file__).with_name("killed_worker.py")


Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(broker: str) -> Iterator[Start]:
    """Starts workers of a kind; what is left of them at the end is killed."""
    started = []

    def worker(kind: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, SCRIPT, kind, broker, "", "0"]))
        return started[-1]

    yield worker
    for process in started:
        process.kill()
        process.wait()


@contextmanager
def load(send: Callable[[int], None]) -> Iterator[None]:
    """Call *send* with 1, 2, 3, … a thousand times a second, as long as the block lasts."""
    over = threading.Event()

    def go_on() -> None:
        first = 1
        while not over.wait(0.05):
            for number in range(first, first + 50):
                send(number)
            first += 50

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def committed(log: AccountLog, group: str, topic: str) -> dict[int, int]:
    """Where the group goes on reading *topic*; partitions without a commit left out."""
    consumer = Consumer(log.client | {"group.id": group, "enable.auto.commit": False})
    try:
        asked = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return {tp.partition: tp.offset for tp in consumer.committed(asked, timeout=10) if tp.offset > 0}
    finally:
        consumer.close()


def stopped_in_order(process: "subprocess.Popen[bytes]") -> bool:
    """Send SIGTERM; whether the process ends with exit code 0 in the time it may take."""
    asked_at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    print(f"exit code {code} after {time.monotonic() - asked_at:.1f} s")  # noqa: T201 - pytest shows it
    return code == 0 and time.monotonic() - asked_at < STOP_SECONDS


def test_a_health_worker_stopped_under_load_leaves_its_state_where_the_group_stands(
    broker: str, start: Start, eventually: Callable[..., None]
) -> None:
    """The next one reads on at the state's position; no output stands in its topic twice."""
    log = AccountLog(broker)

    def send(number: int) -> None:
        login = Login(f"login-{number}", START, b"somebody", "USER", "WEB")
        value = CODEC.encode(LogEntry(START, "login", 0, number, login))
        log.send(CONTRACT.log.name, value, f"acc-{number % 50}".encode(), number % 50 % PARTITIONS)

    running = start("health")
    send(0)
    eventually(lambda: committed(log, "telltale-health", CONTRACT.log.name), 30)
    with load(send):
        eventually(lambda: sum(committed(log, "telltale-health", CONTRACT.log.name).values()) > 200, 30)
        assert stopped_in_order(running)
    log.flush()
    stands = {
        record.partition: unpack_position(key_and_value(record)[1]).next_offset
        for record in log.read(CHANGELOG)
        if record.key == PARTITION_RECORD
    }
    assert stands == committed(log, "telltale-health", CONTRACT.log.name)

    running = start("health")
    eventually(lambda: log.all_committed("telltale-health", [CONTRACT.log.name]), 30)
    assert stopped_in_order(running)

    for topic in CONTRACT.outputs:
        written = [(record.key, record.value) for record in log.read(topic.name)]
        assert len(set(written)) == len(written), f"{topic.name} has repeats"
    assert Telltale(brokers=broker)("verify", "--no-database").code == 0


def test_an_intake_worker_stopped_under_load_appends_nothing_twice(
    broker: str, start: Start, eventually: Callable[..., None]
) -> None:
    """Every event stands in the log once, in the order of its source."""
    log, encode = AccountLog(broker), InputEncoder(CONTRACT, REGISTRY).encode

    def send(number: int) -> None:
        login = {"event_id": f"login-{number}", "occurred_at": START, "source": "app", "user_id": "u"}
        login |= {"account_id": f"acc-{number % 50}", "channel": "WEB", "role": "USER"}
        log.send(LOGINS, encode("login", login), partition=number % 3)

    running = start("intake")
    send(0)
    eventually(lambda: committed(log, "telltale-intake", LOGINS), 30)
    with load(send):
        eventually(lambda: sum(committed(log, "telltale-intake", LOGINS).values()) > 200, 30)
        assert stopped_in_order(running)
    log.flush()

    running = start("intake")
    eventually(lambda: log.all_committed("telltale-intake", [LOGINS]), 30)
    assert stopped_in_order(running)

    places = [(entry.partition, entry.offset) for entries in log.entries().values() for _, entry in entries]
    assert len(places) > 200
    assert len(set(places)) == len(places) == len(log.read(LOGINS))


def test_the_whole_pipeline_stops_under_load_in_20_seconds(
    broker: str, postgres: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """`telltale run` ends with exit code 0, and so did each of its processes."""
    outsider = Outsider(broker)
    pipeline = RunningPipeline(broker, postgres, tmp_path / "log")
    running = pipeline.start("run")
    outsider.send("customer.login.v1", a_login(0))
    outsider.flush()
    eventually(lambda: pipeline.rows("SELECT 1 FROM health_snapshot"), 60)
    with load(lambda number: outsider.send("customer.login.v1", a_login(number))):
        time.sleep(1)  # No condition to wait for: all of them are at work.
        assert stopped_in_order(running)
    outsider.flush()

    _, _, said = pipeline.log.read_text().partition("stopping")
    assert "process.died" not in said
    assert "stopped (" not in said


def test_a_second_signal_ends_a_worker_at_once(broker: str) -> None:
    """Whoever cannot wait need not: a hard end is safe, too."""
    script = f"""if True:
        import sys, time
        import agents.worker
        from agents.app import LaneApp
        from agents.lane.transport import LaneOptions

        class Stuck(LaneApp):
            async def start(self):
                self._started.set()
                print("started", flush=True)

            async def stop(self):
                print(*self.readiness(), flush=True)
                time.sleep(60)

        app = Stuck("stuck", broker="kafka://{broker}", session_seconds=10, lane_options=LaneOptions())
        sys.exit(agents.worker.run_worker(app))
    """
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "False stops\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(5) == -signal.SIGTERM


def shell(name: str, script: str) -> Command:
    return Command(name=name, arguments=("sh", "-c", f"{script}; echo up; while :; do sleep 0.05; done"))


def test_processes_that_stop_together_do_not_wait_for_each_other(eventually: Callable[..., None]) -> None:
    """Three that take a second each are gone after little more than one; none is started again."""
    output = io.StringIO()
    with ProcessTree(output=output) as tree:
        for name in ("a", "b", "c"):
            tree.start(shell(name, "trap 'sleep 1; echo bye; exit 0' TERM"))
        eventually(lambda: output.getvalue().count("up") == 3)
        asked_at = time.monotonic()
        tree.stop_together(10)
        took = time.monotonic() - asked_at

    assert took < 2.5
    assert output.getvalue().count("bye") == 3
    assert output.getvalue().count("up") == 3


def test_a_tree_that_is_interrupted_while_it_stops_kills(eventually: Callable[..., None]) -> None:
    """The second Ctrl-C: what does not want to stop is gone at once."""
    output = io.StringIO()
    with ProcessTree(output=output) as tree:
        tree.start(shell("deaf", "trap '' TERM"))
        eventually(lambda: "up" in output.getvalue())
        threading.Timer(0.5, _thread.interrupt_main).start()
        asked_at = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            tree.stop_together(60)
        tree.stop()

    assert time.monotonic() - asked_at < 5
