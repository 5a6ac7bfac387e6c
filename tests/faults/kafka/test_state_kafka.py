"""
The state's changelog and the log it is folded from, as accidents, operators and newer releases leave them.
"""

import pytest
from msgspec import msgpack

from agents.lane.fences import Exit
from pipeline.kafka.records import Record
from pipeline.wire.position import PARTITION_RECORD, POSITION_SIZE, SCORECARDS_RECORD
from pipeline.wire.position import unpack_position as position_of
from tests.faults.evidence import CHANGELOG, LOG
from tests.faults.kafka.installation import HEALTH, PARTITIONS, Installation
from tests.faults.kafka.surgery import Surgeon
from tests.faults.report import FaultLine

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(240)]


def test_c3_what_a_zombie_writes_late_does_not_win(
    telltale: Installation, surgeon: Surgeon, line: FaultLine
) -> None:
    """
    Old records at the end of the changelog stop their owners, and a restart writes what they shadow again.

        changelog |-- 1 2 3 4 --|-- 5 6 7 --|-- 1 2 3 4, once more --|-- 5 6 7 again, then on --
    """
    changelog = telltale.prefix + CHANGELOG
    old = surgeon.records(changelog)
    telltale.feeder.send_all(telltale.traffic.events(1_000))
    telltale.lag_0(60)

    surgeon.append(old)
    line.fault(f"{len(old)} old states written late")
    telltale.feeder.send_all(telltale.traffic.events(1_000))
    telltale.lag_0(60)

    if {end.code for end in telltale.supervisor.own_ends("health")} != {Exit.FOREIGN_APPEND}:
        line.violations.append(f"health ended otherwise: {telltale.supervisor.own_ends('health')}")
    records = surgeon.records(changelog)
    newest = {(record.partition, record.key): record.value or b"" for record in records}
    for record in records:
        if record.value and position_of(record.value) > position_of(newest[record.partition, record.key]):
            line.violations.append(f"I4: the newest record of {record.key!r} is not its highest position")
    telltale.judge()


@pytest.mark.parametrize("loss", ["all", "half"])
def test_r4_a_changelog_that_was_lost(
    telltale: Installation, surgeon: Surgeon, line: FaultLine, loss: str
) -> None:
    """
    Health refuses to start and says what helps; after `telltale rebuild` it is as if nothing had happened.
    """
    changelog = telltale.prefix + CHANGELOG
    telltale.stop(*HEALTH)
    if loss == "all":
        surgeon.delete(changelog)
        assert telltale.telltale("topics", "apply").code == 0
    else:
        surgeon.cut_in_half(changelog)
    line.fault(f"{loss} of the changelog lost")

    telltale.start(*HEALTH)
    expected = Exit.STATE_BEHIND_GROUP if loss == "all" else Exit.ACCOUNTS_DIFFER
    for name in HEALTH:
        telltale.refused(name, expected, "telltale rebuild")

    rebuilt = telltale.telltale("rebuild")
    assert rebuilt.code == 0, rebuilt.err
    telltale.start(*HEALTH)
    telltale.feeder.send_all(telltale.traffic.events(1_000))
    telltale.lag_0(60)
    telltale.judge()


def test_r5_the_log_deleted_and_recreated(telltale: Installation, surgeon: Surgeon, line: FaultLine) -> None:
    """Under running workers: they stop, and none takes an entry of the new log for one of the old."""
    log, changelog = telltale.prefix + LOG, telltale.prefix + CHANGELOG
    surgeon.delete(log)
    assert telltale.telltale("topics", "apply").code == 0
    line.fault("log deleted and recreated")
    telltale.feeder.send_all(telltale.traffic.events(1_000))

    for name in HEALTH:
        # What it met first may have been an error of the broker; started again it has to see.
        telltale.supervisor.wait_for_end(name, 60)
        known = len(surgeon.records(changelog))
        telltale.start(name)
        telltale.refused(name, Exit.OTHER_TOPIC_ID, "telltale rebuild")
        if len(surgeon.records(changelog)) != known:
            line.violations.append(f"{name} has written states of another log")
    line.events = len(telltale.feeder.ground_truth)
    line.check()


def test_u1_an_older_release_refuses_the_state_of_a_newer_one(
    telltale: Installation, surgeon: Surgeon, line: FaultLine
) -> None:
    """One value of a newer version is enough, whatever it is of; the newer release goes on where it stood."""
    telltale.stop(*HEALTH)
    newest = {
        (record.partition, record.key): record for record in surgeon.records(telltale.prefix + CHANGELOG)
    }
    account = next(r for r in newest.values() if r.key not in {PARTITION_RECORD, SCORECARDS_RECORD})
    for original in (account, newest[0, PARTITION_RECORD], newest[PARTITIONS - 1, SCORECARDS_RECORD]):
        surgeon.append([_of_a_newer_release(original)])
        line.fault("state of a newer release")
        telltale.start("health-1")
        telltale.refused("health-1", Exit.NEWER_STATE, "newer")
        surgeon.append([original])

    telltale.start(*HEALTH)
    telltale.feeder.send_all(telltale.traffic.events(1_000))
    telltale.lag_0(60)
    telltale.judge()


def _of_a_newer_release(record: Record) -> Record:
    assert record.value is not None
    _, *fields = msgpack.decode(record.value[POSITION_SIZE:])
    return record._replace(value=record.value[:POSITION_SIZE] + msgpack.encode((99, *fields)))
