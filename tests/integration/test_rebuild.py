"""`telltale rebuild` beside a running worker, after a kill, and where the changelog has lost what it held."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.lane.fences import Exit, Lease
from pipeline.embedded.processes import BackOff, Command, ProcessTree
from pipeline.health.events import LogEntry, Scorecards
from pipeline.rebuild.rebuild import HealthTable, Rebuild
from pipeline.scorecards import load_scorecards
from pipeline.wire.position import (
    PARTITION_RECORD,
    POSITION_SIZE,
    SCORECARDS_RECORD,
    encode_epoch_mark,
    take_epoch,
    unpack_position,
)
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import decode_record
from tests.integration.command_line import Telltale
from tests.integration.daily_logins import ACCOUNTS, START, days
from tests.integration.killed_worker import SESSION_SECONDS
from tests.integration.worker_log import CONTRACT, PARTITIONS, AccountLog, Undisturbed, key_and_value

CHANGELOG = "telltale-health-state-changelog"
SCRIPT = str(Path(__file__).with_name("killed_worker.py"))


def scorecards() -> tuple[str, LogEntry]:
    return "", LogEntry(START, "", 0, 0, Scorecards(list(load_scorecards().documents)))


@pytest.fixture
def tree() -> Iterator[ProcessTree]:
    """A supervisor; whoever is still running at the end is stopped."""
    with ProcessTree(back_off=BackOff(first=0.1, longest=0.5)) as running:
        yield running


def supervised(tree: ProcessTree, bootstrap: str, logs: Path) -> None:
    """Keep a health worker running."""
    arguments = (sys.executable, SCRIPT, "health", bootstrap, "", "0")
    tree.start(Command(name="health", arguments=arguments, restarts=100, log_file=logs / "health.log"))


def newest(log: AccountLog) -> dict[int, dict[bytes, bytes]]:
    """What is active of the changelog: of every key the highest position."""
    states: dict[int, dict[bytes, bytes]] = {}
    for record in log.read(CHANGELOG):
        values = states.setdefault(record.partition, {})
        key, value = key_and_value(record)
        if value[:POSITION_SIZE] >= values.get(key, b"")[:POSITION_SIZE]:
            values[key] = value
    return states


def is_folded(log: AccountLog, epoch: int) -> bool:
    """Whether every partition stands at the end of the log, under *epoch*."""
    ends = {partition: len(entries) for partition, entries in log.entries().items()}
    stands = {
        partition: unpack_position(values[PARTITION_RECORD])[:2]
        for partition, values in newest(log).items()
        if PARTITION_RECORD in values
    }
    return stands == {partition: (epoch, end) for partition, end in ends.items()}


def assert_equals_the_log(log: AccountLog, telltale: Telltale, epoch: int) -> None:
    """Every state is the fold's, of *epoch*; so is every output, and none is missing."""
    states = newest(log)
    for partition, entries in log.entries().items():
        values = take_epoch(partition, states[partition])
        record = decode_record(values.pop(PARTITION_RECORD))
        values.pop(SCORECARDS_RECORD)
        expected = Undisturbed(partition, entries).states
        assert {key: value[POSITION_SIZE:] for key, value in values.items()} == expected
        assert (record.epoch, record.accounts) == (epoch, len(expected))
    compared = telltale("verify", "--no-database")
    assert compared.code == 0, compared.out
    assert "not in their" not in compared.err, compared.err


def test_a_running_worker_takes_the_new_epoch_over_and_goes_on_from_it(
    broker: str, tree: ProcessTree, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    Nothing is lost or doubled: states and outputs are those of an undisturbed fold, under the new epoch.

        days 0-8, folded | rebuild, days 9-10 come in the midst of it | days 11-12, folded by the new owner
    """
    log, telltale = AccountLog(broker), Telltale(brokers=broker)
    log.append([scorecards(), *days(0, 9)])
    supervised(tree, broker, tmp_path)
    eventually(lambda: is_folded(log, 1), 30)

    coming = iter([days(9, 10), days(10, 11)])
    rebuild = Rebuild(
        log.client,
        contract=CONTRACT,
        registry=EmbeddedRegistry(CONTRACT),
        table=HealthTable(group="telltale-health", changelog=CHANGELOG, topic_id=""),
        lease_seconds=Lease(SESSION_SECONDS).seconds,
        say=lambda _line: log.append(next(coming, [])),
    )
    done = list(rebuild.run(skip_lost=False))
    log.append(days(11, 13))
    eventually(lambda: is_folded(log, 2), 30)

    assert [(each.partition, each.epoch) for each in done] == [(number, 2) for number in range(PARTITIONS)]
    assert sum(each.accounts for each in done) == ACCOUNTS
    assert_equals_the_log(log, telltale, epoch=2)
    said = (tmp_path / "health.log").read_text()
    assert "stopped (foreign_append" in said
    assert "Traceback" not in said


def test_a_state_that_a_worker_refuses_is_recreated(
    broker: str, tree: ProcessTree, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    The worker names the command; what the rebuild does not know is of an older epoch, and no part of the
    state.
    """
    log, telltale = AccountLog(broker), Telltale(brokers=broker)
    log.append([scorecards(), *days(0, 3)])
    log.send(CHANGELOG, encode_epoch_mark(1), b"acc-lost", 1)
    log.flush()
    refused = subprocess.run(
        [sys.executable, SCRIPT, "health", broker, "", "0"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    answer = telltale("rebuild", TELLTALE_SESSION_SECONDS="6")
    log.append(days(3, 4))
    supervised(tree, broker, tmp_path)
    eventually(lambda: is_folded(log, 2), 30)

    assert refused.returncode == Exit.ACCOUNTS_DIFFER
    assert "run `telltale rebuild`" in refused.stderr
    assert answer.code == 0, answer.err
    assert answer.out.count(": epoch 2, ") == PARTITIONS
    assert_equals_the_log(log, telltale, epoch=2)
