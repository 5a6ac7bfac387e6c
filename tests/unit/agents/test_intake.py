"""The intake's agent: what becomes of each record, where it goes, and when it is done."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from agents.account_places import MOST_REMEMBERED
from agents.lane.fences import Exit
from agents.time_source import TimeSource
from pipeline.wire.contract import Schema
from pipeline.wire.registry import RegistryUnavailable
from tests.unit.agents.intake_in_memory import ACCOUNTS, DAY_ONE, LOG, LOGINS, Intake, account, login
from tests.unit.agents.lane_in_memory import batch_of, ends_with
from tests.unit.agents.workers_in_memory import PARTITIONS, REGISTRY, until

pytestmark = pytest.mark.asyncio


async def test_all_events_of_an_account_go_into_one_partition_with_where_they_came_from() -> None:
    """
    Whatever topic and partition they come from; the log's order of one source partition is the source's.
    """
    intake = Intake()
    for number in range(3):
        intake.put(TP(LOGINS, 3), b"any", login(number))
    intake.put(TP(ACCOUNTS, 0), b"acc-1", account())
    await intake.take_in()
    intake.put(TP(LOGINS, 3), None, login(3))
    await intake.take_in()

    entries = intake.entries()
    assert {record.partition for record in intake.producer.read(LOG)} == {1}  # murmur2("acc-1") % 4
    assert {key for key, _ in entries} == {b"acc-1"}
    assert [(e.partition, e.offset) for _, e in entries if e.source == "login"] == [(3, n) for n in range(4)]


async def test_an_event_is_done_when_the_log_has_acknowledged_it() -> None:
    """What is committed earlier would be lost in a crash."""
    intake = Intake()
    intake.producer.held[LOG] = asyncio.Event()
    intake.put(TP(LOGINS, 0), None, login())
    [event] = await intake.process(intake.worker)
    await intake.producer.came.wait()
    assert not batch_of(event).acked

    intake.producer.held[LOG].set()
    await until(lambda: batch_of(event).acked)


async def test_an_append_that_fails_ends_the_process_with_nothing_acknowledged() -> None:
    """What is appended behind a hole would hide it: the marks take the hole for a repeat."""
    intake = Intake()
    intake.producer.failing.add(f"{LOGINS}.dlq")
    intake.put(TP(LOGINS, 0), None, login())
    intake.put(TP(LOGINS, 0), None, b"garbage")
    [event] = await intake.process(intake.worker)
    [writer] = intake.worker._writer._tasks

    with ends_with(Exit.APPEND):
        await writer
    assert not batch_of(event).acked


async def test_an_event_is_observed_at_its_kafka_timestamp_but_not_ahead_of_our_clock() -> None:
    """A clock of a producer or a broker that runs ahead must not make accounts older than the ticks."""
    now = DAY_ONE + 60_000
    intake = Intake(time_source=TimeSource(wall=lambda: now / 1000))
    intake.put(TP(LOGINS, 0), None, login(1), timestamp=DAY_ONE + 5)
    intake.put(TP(LOGINS, 0), None, login(2), timestamp=now + 60_000)
    await intake.take_in()

    assert [entry.observed_at for _, entry in intake.entries()] == [DAY_ONE + 5, now]


async def test_the_directory_and_the_intake_judge_the_future_by_one_clock() -> None:
    """Else an account could claim a domain by a record that goes to the dead letters."""
    intake = Intake(time_source=TimeSource(wall=lambda: DAY_ONE / 1000))
    hour = 3_600_000
    facts = account("acc-9", domains=["alder.example"], occurred_at=DAY_ONE + hour)
    ahead = ConsumerRecord(ACCOUNTS, 0, 0, DAY_ONE + hour, 0, b"acc-9", facts, None, 0, 0, ())
    await intake.worker._learn([ahead])
    intake.put(TP(ACCOUNTS, 0), b"acc-9", facts, timestamp=DAY_ONE + hour)
    intake.put(TP(LOGINS, 0), None, login(1, None, email="x@alder.example"))
    await intake.take_in()

    assert [code for _, code, _ in intake.dead_letters(ACCOUNTS)] == ["future_timestamp"]
    assert [code for _, code, _ in intake.dead_letters(LOGINS)] == ["unresolved_account"]


async def test_accounts_beyond_those_remembered_keep_their_places() -> None:
    """Ids are the senders' choice; what is remembered of them is bounded."""
    intake = Intake()
    remembered: Any = intake.worker._place_of  # it tells of its cache

    assert remembered.cache_info().maxsize == MOST_REMEMBERED
    places = [remembered(f"acc-{number % 3}") for number in range(6)]
    assert places[:3] == places[3:]


async def test_before_an_account_is_unknown_the_directory_is_read_to_its_present_end() -> None:
    """The facts may have been sent a moment before the event; one reading does for a whole poll."""
    intake = Intake()
    facts = ConsumerRecord(
        ACCOUNTS, 0, 0, DAY_ONE, 0, b"acc-9", account("acc-9", domains=["alder.example"]), None, 0, 0, ()
    )
    intake.feed.appended.append(facts)
    intake.put(TP(LOGINS, 0), None, login(1, None, email="x@alder.example"))
    intake.put(TP(LOGINS, 0), None, login(2, None, email="x@nobody.example"))
    await intake.take_in()

    assert [key for key, _ in intake.entries()] == [b"acc-9"]
    assert [code for _, code, _ in intake.dead_letters(LOGINS)] == ["unresolved_account"]
    assert intake.feed.catch_ups == 1


class AwayRegistry:
    """The registry's schemas, after *failures* requests without an answer."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.id_for = REGISTRY.id_for
        self.register = REGISTRY.register

    def schema_for(self, schema_id: int) -> Schema:
        self.failures -= 1
        if self.failures >= 0:
            raise RegistryUnavailable("no answer")
        return REGISTRY.schema_for(schema_id)


async def test_without_a_registry_records_wait() -> None:
    """That nobody answers says nothing about the records."""
    intake = Intake(AwayRegistry(3))
    intake.put(TP(LOGINS, 0), None, login(1))
    intake.put(TP(LOGINS, 0), None, b"garbage")
    await intake.take_in()

    assert len(intake.entries()) == 1
    assert len(intake.dead_letters(LOGINS)) == 1


async def test_without_a_registry_the_directory_waits_too() -> None:
    """An account that is passed over would be unknown until the next start."""
    intake = Intake(AwayRegistry(2))
    poison = ConsumerRecord(ACCOUNTS, 0, 0, DAY_ONE, 0, b"acc-1", b"garbage", None, 0, 0, ())
    wrong_key = replace(poison, offset=1, key=b"acc-2", value=account(domains=["alder.example"]))
    good = replace(poison, offset=2, value=account(domains=["finch.example"]))
    await intake.worker._learn([poison, wrong_key, good])

    resolve = intake.worker._intake._directory.resolve
    assert resolve("app", None, "x@finch.example") == "acc-1"
    assert not isinstance(resolve("app", None, "x@alder.example"), str)


async def test_a_tick_goes_into_every_partition() -> None:
    """Time passes for every account."""
    intake = Intake()

    written = await intake.worker._write_tick(DAY_ONE, range(PARTITIONS))

    assert sorted(record.partition for record in intake.producer.read(LOG)) == [0, 1, 2, 3]
    assert {entry.observed_at for _, entry in intake.entries()} == {DAY_ONE}
    assert len(written) == PARTITIONS
