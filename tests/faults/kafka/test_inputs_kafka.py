"""Inputs recreated, inputs nobody can read, and dead letters that cannot be written."""

import time
from itertools import islice

import pytest

from agents.lane.fences import Exit
from pipeline.errors import TelltaleError
from pipeline.kafka.records import Record
from tests.faults.cluster import ProxiedKafka
from tests.faults.generator import TOPICS
from tests.faults.kafka.installation import INTAKE, PARTITIONS, Install, Installation
from tests.faults.kafka.surgery import Surgeon
from tests.faults.report import FaultLine

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(240)]

LOGIN = TOPICS["login"]
POISON = b"\x01poison"
"""Opens with a byte that no version of the framing has."""


@pytest.mark.parametrize("workers", ["running", "stopped"])
def test_r5_an_input_deleted_and_recreated(
    wounded: ProxiedKafka, install: Install, line: FaultLine, workers: str
) -> None:
    """
    Its offsets begin again, and what is sent from then on is new: workers that run stop, and started again
    read it all.

        customer.login |-- 0 1 2 … 2,000 --|  deleted, made  |-- 0 1 2 … 1,000 --| every one counts
    """
    telltale, surgeon = install(wounded.bootstrap), Surgeon(wounded.bootstrap)
    with telltale.running():
        _send_logins(telltale, 2_000)
        telltale.lag_0(60)
        if workers == "stopped":
            telltale.stop(*INTAKE)
        surgeon.delete(telltale.prefix + LOGIN)
        assert telltale.telltale("topics", "apply").code == 0
        line.fault(f"input recreated, intake {workers}")
        if workers == "stopped":
            telltale.start(*INTAKE)

        _send_logins(telltale, 1_000)
        telltale.lag_0(90)
        if workers == "running":
            ends = {end.code for end in telltale.supervisor.own_ends("intake")}
            line.violations += [f"R5: the intake ended with {ends}"] * (Exit.INPUT_RECREATED not in ends)
        telltale.rest()
        counted = sum(fold.counters.events for fold in telltale.evidence().folds.values())
        # What stood in the topic that is gone is known from its acknowledgements alone.
        accepted = sum(1 for _ in telltale.feeder.ground_truth.accepted())
        if counted != accepted:
            line.violations.append(
                f"I2: {counted} events were counted, {accepted} different ones were accepted"
            )
        line.events = len(telltale.feeder.ground_truth)
        line.check()


def _send_logins(telltale: Installation, count: int) -> None:
    events = (event for event in telltale.traffic.events(2 * count) if event.kind == "login")
    telltale.feeder.send_all(islice(events, count))


def test_d5_a_deploy_that_writes_nothing_but_poison(
    wounded: ProxiedKafka, install: Install, line: FaultLine
) -> None:
    """
    The intake stops, and stops again where it is started again, instead of emptying the topic into the dead
    letters.
    """
    telltale, surgeon = install(wounded.bootstrap), Surgeon(wounded.bootstrap)
    with telltale.running():
        for _ in range(20_000):
            telltale.feeder.send_junk(LOGIN, POISON, code="decode")
        telltale.feeder.flush()
        line.fault("20,000 poisoned records")
        for name in INTAKE:
            telltale.refused(name, Exit.POISON_FLOOD, LOGIN)
        telltale.start("intake-1")
        telltale.refused("intake-1", Exit.POISON_FLOOD, LOGIN)

        dead_letters = surgeon.records(f"{telltale.prefix}{LOGIN}.dlq")
        if len(dead_letters) > 1_000:
            line.violations.append(f"D5: {len(dead_letters)} records became dead letters")
        _nothing_is_committed_without_its_dead_letter(telltale, surgeon, line)

        telltale.supervisor.environment["TELLTALE_SET_FLOODS_ASIDE"] = "true"
        telltale.start(*INTAKE)
        telltale.feeder.send_all(telltale.traffic.events(500))
        telltale.lag_0(60)
        telltale.judge()


@pytest.mark.parametrize("refusal", ["deleted", "too_small"])
def test_d5_dead_letters_that_cannot_be_written(
    wounded: ProxiedKafka, install: Install, line: FaultLine, refusal: str
) -> None:
    """The intake stops before the record, and passes it when its dead letter can be written."""
    telltale, surgeon = install(wounded.bootstrap), Surgeon(wounded.bootstrap)
    dead_letters = f"{telltale.prefix}{LOGIN}.dlq"
    with telltale.running():
        if refusal == "deleted":
            surgeon.delete(dead_letters)
        else:
            surgeon.set(dead_letters, "max.message.bytes", "200")
        line.fault(f"dead letters {refusal}")
        telltale.feeder.send_junk(LOGIN, POISON * 200, code="decode")
        telltale.feeder.send_all(telltale.traffic.events(1_000))
        deadline = time.monotonic() + 100.0  # A topic that is missing is waited for: a minute.
        while not telltale.supervisor.own_ends("intake"):
            assert time.monotonic() < deadline, "the intake goes on"
            time.sleep(0.2)
        _nothing_is_committed_without_its_dead_letter(telltale, surgeon, line)

        if refusal == "deleted":
            surgeon.create(dead_letters, PARTITIONS, message_timestamp_type="LogAppendTime")
        else:
            surgeon.set(dead_letters, "max.message.bytes", "1048588")
        telltale.lag_0(90)
        telltale.judge()


def _nothing_is_committed_without_its_dead_letter(
    telltale: Installation, surgeon: Surgeon, line: FaultLine
) -> None:
    committed = telltale.intake.committed()
    try:
        written = surgeon.records(f"{telltale.prefix}{LOGIN}.dlq")
    except TelltaleError:
        written = []  # there is no such topic
    of = {_origin(record) for record in written}
    for send in telltale.feeder.ground_truth.expected_dead_letters():
        place = (send.partition, send.offset)
        if send.offset < committed[telltale.prefix + LOGIN, send.partition] and place not in of:
            line.violations.append(f"I1: {LOGIN} {place} is committed and has no dead letter")


def _origin(dead_letter: Record) -> tuple[int, int]:
    """Partition and offset of the record that a dead letter is of."""
    said = {name: value or b"" for name, value in dead_letter.headers}
    return int(said["__connect.errors.partition"]), int(said["__connect.errors.offset"])
