"""
`telltale rebuild` while everything is at work: killed in the midst of it, and from a log that was recreated.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents.lane.fences import Exit
from pipeline.kafka.groups import may_have_members
from pipeline.wire.position import EPOCH_MARK, PARTITION_RECORD, unpack_position
from tests.faults.evidence import CHANGELOG, LOG
from tests.faults.kafka.installation import HEALTH, Installation
from tests.faults.kafka.surgery import Surgeon
from tests.faults.report import FaultLine

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(240)]


def epochs(surgeon: Surgeon, changelog: str, key: bytes) -> dict[int, int]:
    """The newest epoch of *key* in each partition of the changelog."""
    newest: dict[int, int] = {}
    for record in surgeon.records(changelog):
        if record.key == key and record.value:
            epoch = unpack_position(record.value).epoch
            newest[record.partition] = max(epoch, newest.get(record.partition, 0))
    return newest


def test_rb1_workers_at_work_take_a_rebuilt_state_over(
    telltale: Installation, surgeon: Surgeon, line: FaultLine
) -> None:
    """
    Killed when it has begun its epoch, and run again: no event is lost or counted twice, in topics or in
    Postgres.

        fed without a pause --------------------------------------------------------
        #
        rebuild: fold | marks | kill -9  workers refuse  rebuild: fold | marks | outputs, states | workers
    """
    changelog = telltale.prefix + CHANGELOG
    with ThreadPoolExecutor(1) as feeding:
        fed = feeding.submit(telltale.feeder.send_all, telltale.traffic.events(4_000))
        first = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "rebuild"], env=telltale.supervisor.environment
        )
        while first.poll() is None and not epochs(surgeon, changelog, EPOCH_MARK):
            time.sleep(0.1)
        first.kill()
        first.wait()
        line.fault("rebuild killed in its switch")

        again = telltale.telltale("rebuild", TELLTALE_SESSION_SECONDS="6")
        line.fault("rebuild")
        fed.result()
    telltale.lag_0(90)

    if again.code != 0 or again.out.count(": epoch 3, ") != 4:
        line.violations.append(f"the second rebuild: {again}")
    if set(epochs(surgeon, changelog, PARTITION_RECORD).values()) != {3}:
        line.violations.append("not every partition is of the rebuilt epoch")
    codes = {end.code for end in telltale.supervisor.own_ends("health")}
    if not {Exit.FOREIGN_APPEND} <= codes <= {Exit.FOREIGN_APPEND, Exit.REBUILD}:
        line.violations.append(f"health ended otherwise: {telltale.supervisor.own_ends('health')}")
    telltale.judge()
    if may_have_members(telltale.telltale.client, f"{telltale.prefix}telltale-health"):
        line.violations.append("health has not left its group")
    compared = telltale.telltale("verify", "--no-database")
    if compared.code != 0:
        line.violations.append(compared.out + compared.err)
    line.check()


def test_rb2_a_log_that_was_recreated_is_what_a_rebuild_goes_by(
    telltale: Installation, surgeon: Surgeon, line: FaultLine
) -> None:
    """What the old log had made is of an older epoch; workers go on from the new one."""
    telltale.stop(*telltale.supervisor.names)
    surgeon.delete(telltale.prefix + LOG)
    line.fault("log deleted and recreated")
    for words in (("topics", "apply"), ("scorecards", "apply"), ("rebuild",)):
        answer = telltale.telltale(*words)
        assert answer.code == 0, answer.err

    telltale.start("intake-1", "sink-1", *HEALTH)
    telltale.ready("intake-1")
    telltale.feeder.send_all(telltale.traffic.events(1_000))
    telltale.lag_0(60)

    compared = telltale.telltale("verify", "--no-database")
    if compared.code != 0 or "not in their" in compared.err:
        line.violations.append(compared.out + compared.err)
    if telltale.supervisor.own_ends("health"):
        line.violations.append(f"health ended: {telltale.supervisor.own_ends('health')}")
    line.events = 1_000
    line.check()
