"""
A health worker killed between outputs and states, and between states and commit, inside a tick of many steps.

The truth is what an undisturbed fold of the same log makes, in this process.
"""

import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pipeline.health.events import LogEntry, Login, Scorecards, Tick
from pipeline.scorecards import load_scorecards
from pipeline.wire.position import PARTITION_RECORD, POSITION_SIZE, SCORECARDS_RECORD, unpack_position
from tests.integration.worker_log import CONTRACT, PARTITIONS, AccountLog, Undisturbed, key_and_value

CHANGELOG = "telltale-health-state-changelog"
START, DAY = 1_770_000_000_000, 86_400_000
ACCOUNTS = 40
SCRIPT = Path(__file__).with_name("killed_worker.py")


def history() -> list[tuple[str, LogEntry]]:
    """
    Ten days of logins, then a tick long after: every account goes dark in it, and its days pass one by one.
    """
    log = [("", LogEntry(START, "", 0, 0, Scorecards(list(load_scorecards().documents))))]
    for day in range(10):
        at = START + day * DAY
        for number in range(ACCOUNTS):
            login = Login(f"login-{day}", at, b"somebody", "USER", "WEB")
            log.append((f"acc-{number}", LogEntry(at, "login", 0, day * ACCOUNTS + number, login)))
        log.append(("", LogEntry(at, "", 0, 0, Tick())))
    return [*log, ("", LogEntry(START + 30 * DAY, "", 0, 0, Tick()))]


def worker(bootstrap: str, dies_at: str = "", append: int | str = 0) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, SCRIPT, "health", bootstrap, dies_at, str(append)])


def newest(log: AccountLog) -> dict[int, dict[bytes, bytes]]:
    """What compaction would leave of the changelog."""
    states: dict[int, dict[bytes, bytes]] = defaultdict(dict)
    for record in log.read(CHANGELOG):
        key, value = key_and_value(record)
        states[record.partition][key] = value
    return states


def test_a_worker_killed_between_its_writes_repeats_the_same_bytes_and_loses_nothing(
    broker: str, eventually: Callable[..., None]
) -> None:
    """
    Outputs, states and offsets are as if nothing had happened, but for outputs that stand there twice.

        outputs | kill -9 | states ........ states | kill -9, inside the tick | commit ........ all committed
    """
    log = AccountLog(broker)
    log.append(history())

    assert worker(broker, CONTRACT.current.name, 2).wait(30) == -signal.SIGKILL
    assert worker(broker, CHANGELOG, "inside").wait(30) == -signal.SIGKILL
    inside = [unpack_position(states[PARTITION_RECORD]).timers_fired for states in newest(log).values()]
    last = worker(broker)
    eventually(lambda: log.all_committed("telltale-health", [CONTRACT.log.name]), 30)
    last.send_signal(signal.SIGTERM)
    assert last.wait(20) == 0

    assert any(inside)
    states, repeated = newest(log), 0
    outputs: dict[tuple[str, int], list[tuple[bytes, bytes]]] = defaultdict(list)
    for topic in [output.name for output in CONTRACT.outputs]:
        for record in log.read(topic):
            outputs[topic, record.partition].append(key_and_value(record))
    for partition, entries in log.entries().items():
        undisturbed = Undisturbed(partition, entries)
        for topic, expected in undisturbed.outputs.items():
            written = outputs[topic, partition]
            assert list(dict.fromkeys(written)) == expected
            repeated += len(written) - len(expected)
        accounts = {
            key: value[POSITION_SIZE:]
            for key, value in states[partition].items()
            if key not in {PARTITION_RECORD, SCORECARDS_RECORD}
        }
        assert accounts == undisturbed.states
    assert len(states) == PARTITIONS
    assert repeated > 0
