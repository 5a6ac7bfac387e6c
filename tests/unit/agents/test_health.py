"""The health worker: order of writes, recovery, what it refuses, and steps inside a tick."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgpack
import pytest
from aiokafka.structs import ConsumerRecord
from faust import Event
from faust.types import TP
from lane_in_memory import ends_with
from workers_in_memory import CONTRACT, REGISTRY, Running, until

from agents.health import HealthWorker
from agents.lane.fences import Exit
from pipeline.health.events import Event as AccountEvent
from pipeline.health.events import LogEntry, Login, Scorecards, SupportTicket, Tick
from pipeline.scorecards import load_scorecards
from pipeline.wire.log import LogCodec
from pipeline.wire.state import (
    PARTITION_RECORD,
    POSITION_SIZE,
    SCORECARDS_RECORD,
    STATE_VERSION,
    Position,
    decode_record,
    pack_position,
    unpack_position,
)

LOG, CHANGELOG = TP(CONTRACT.log.name, 0), TP("lane-state-changelog", 0)
CURRENT, CHANGE = CONTRACT.current.name, CONTRACT.change.name
START, DAY = 1_770_000_000_000, 86_400_000
CARDS = list(load_scorecards().documents)

encode = LogCodec(CONTRACT, REGISTRY).encode

pytestmark = pytest.mark.asyncio


class Health(Running):
    """A health worker that owns one partition, and the log it reads."""

    def __init__(self, *, step_bytes: int = 100_000, incarnation: str = "") -> None:
        super().__init__(LOG)
        self.worker = HealthWorker(
            self.lane.app,
            contract=CONTRACT,
            registry=REGISTRY,
            log_incarnation=lambda: incarnation,
            step_bytes=step_bytes,
        )
        self.store = self.worker._table.store
        self.worker._incarnation = incarnation

    def log(self, at: int, body: Any, account_id: str = "") -> None:
        """Append an entry to the log."""
        offset = len(self.lane.thread.records[LOG])
        source = "" if isinstance(body, Tick | Scorecards) else "login"
        self.put(LOG, account_id.encode(), encode(LogEntry(at, source, 0, offset, body)))

    async def recover(self, changelog: Iterable[ConsumerRecord] = (), committed: int | None = None) -> None:
        """Start from *changelog* and what the group has *committed*; the log is read on where the state wants it."""
        records = [
            ConsumerRecord(CHANGELOG.topic, 0, n, 0, 0, r.key, r.value, None, 0, 0, ())
            for n, r in enumerate(changelog)
        ]
        if records:
            self.store.apply(CHANGELOG, records)
        await self.store.on_recovery_completed({CHANGELOG}, set())
        self.producer._ends[CHANGELOG] = len(records)
        self.lane.thread.at.update(await self.worker._state_offsets({LOG: committed}))

    async def fold(self) -> list[Event]:
        """Fold one poll, and wait until it is written."""
        events = await self.process(self.worker)
        await until(lambda: all(event.value.acked for event in events))
        return events

    def changelog(self) -> list[ConsumerRecord]:
        """The changelog as this worker has written it."""
        return self.producer.read(CHANGELOG.topic)

    def newest(self) -> dict[bytes, bytes]:
        """What compaction would leave of it."""
        return {record.key: record.value for record in self.changelog()}

    def outputs(self) -> list[tuple[str, bytes, bytes]]:
        """Topic, key and value of all that was put out."""
        return [
            (tp.topic, r.key, r.value)
            for tp, records in self.producer.batches
            for r in records
            if tp != CHANGELOG
        ]


def login(number: int = 1, at: int = START) -> Login:
    return Login(f"login-{number}", at, number.to_bytes(8), "USER", "WEB")


def ticket(number: int) -> AccountEvent:
    """An event that needs more room in the state than most."""
    return SupportTicket(f"ticket-{number}", START, f"desk:{number:0190}", "OPENED", "P3")


async def folded(accounts: int = 3, **options: Any) -> Health:
    """A worker that has folded scorecards and a login of each of some accounts."""
    health = Health(**options)
    health.log(START, Scorecards(CARDS))
    for number in range(accounts):
        health.log(START, login(number), f"acc-{number}")
    await health.recover()
    await health.fold()
    return health


async def test_outputs_are_acknowledged_before_states_and_states_before_the_poll_is_done() -> None:
    """A crash between any two repeats identical outputs; any other order would lose something."""
    health = Health()
    health.log(START, login(), "acc-1")
    await health.recover()
    for topic in (CURRENT, CHANGELOG.topic):
        health.producer.held[topic] = asyncio.Event()

    [event] = await health.process(health.worker)
    await until(lambda: health.producer.read(CURRENT))
    await asyncio.sleep(0.02)
    assert health.changelog() == []

    health.producer.held[CURRENT].set()
    await until(health.changelog)
    await asyncio.sleep(0.02)
    assert not event.value.acked

    health.producer.held[CHANGELOG.topic].set()
    await until(lambda: event.value.acked)


async def test_a_step_is_one_batch_with_the_partition_s_record_last() -> None:
    """Kafka takes it whole or not at all; the record says what belongs to it."""
    health = await folded()

    [batch] = [records for tp, records in health.producer.batches if tp == CHANGELOG]
    record = decode_record(batch[-1].value)
    assert [r.key for r in batch] == [b"acc-0", b"acc-1", b"acc-2", SCORECARDS_RECORD, PARTITION_RECORD]
    assert (record.next_offset, record.accounts) == (4, 3)
    assert {unpack_position(r.value) for r in batch} == {Position(1, 4, 0)}


async def test_outputs_go_into_the_partition_of_the_log_with_the_time_of_scoring_in_a_header() -> None:
    """Values hold log time only, so that a repeat is the same bytes."""
    health = await folded(1)

    snapshot = health.producer.read(CURRENT, 0)[-1]
    assert snapshot.key == b"acc-0"
    [(name, value)] = snapshot.headers
    assert (name, value.isdigit()) == ("telltale-scored-at", True)


async def test_the_state_says_where_the_log_is_read_on_and_its_outputs_are_not_repeated() -> None:
    """The group's offset is behind after a crash between state and commit."""
    before = await folded()
    health = Health()
    health.lane.thread.records[LOG] = before.lane.thread.records[LOG]
    await health.recover(before.changelog(), committed=1)
    health.log(START, login(9), "acc-0")
    [event] = await health.fold()

    assert [record.offset for record in event.value.records] == [4]
    assert decode_record(health.newest()[PARTITION_RECORD]).counters.events == 4


async def test_entries_the_state_has_seen_are_skipped_and_a_hole_ends_the_process() -> None:
    """The next entry is the next offset."""
    health = await folded()
    health.lane.thread.at[LOG] = 2
    await health.fold()
    assert decode_record(health.newest()[PARTITION_RECORD]).next_offset == 4

    health.lane.thread.records[LOG] = []
    for _ in range(6):
        health.log(START, login(), "acc-1")
    del health.lane.thread.records[LOG][4]
    with ends_with(Exit.LOG_HOLE):
        await health.process(health.worker)


async def test_states_without_a_record_are_refused() -> None:
    """A step ends with its record, so the changelog has lost something."""
    changelog = [r for r in (await folded()).changelog() if r.key != PARTITION_RECORD]

    with ends_with(Exit.ACCOUNTS_DIFFER):
        await Health().recover(changelog)


@pytest.mark.parametrize("lost", [b"acc-1", SCORECARDS_RECORD])
async def test_a_changelog_that_has_lost_a_key_is_refused(lost: bytes) -> None:
    """The record counts the accounts, and knows that scorecards were in force."""
    changelog = [r for r in (await folded()).changelog() if r.key != lost]

    with ends_with(Exit.ACCOUNTS_DIFFER):
        await Health().recover(changelog)


@pytest.mark.parametrize("keep", [True, False], ids=["behind", "missing"])
async def test_a_state_behind_the_group_is_refused(*, keep: bool) -> None:
    """What the group has committed was in the changelog once."""
    changelog = (await folded()).changelog() if keep else []

    with ends_with(Exit.STATE_BEHIND_GROUP):
        await Health().recover(changelog, committed=5)


@pytest.mark.parametrize("key", [b"acc-1", PARTITION_RECORD, SCORECARDS_RECORD])
async def test_a_value_of_a_newer_version_is_refused(key: bytes) -> None:
    """After a step back to an older release."""
    changelog = (await folded()).changelog()
    for number, record in enumerate(changelog):
        if record.key == key:
            fields = [STATE_VERSION + 1, *msgpack.unpackb(record.value[POSITION_SIZE:])[1:]]
            value = record.value[:POSITION_SIZE] + msgpack.packb(fields)
            changelog[number] = ConsumerRecord("", 0, 0, 0, 0, key, value, None, 0, 0, ())

    with ends_with(Exit.NEWER_STATE):
        await Health().recover(changelog)


async def test_the_state_of_another_log_is_refused() -> None:
    """A log that was made again starts at 0: its first entries would be taken for old ones, and skipped."""
    changelog = (await folded(incarnation="first")).changelog()
    await Health(incarnation="first").recover(changelog)

    with ends_with(Exit.OTHER_INCARNATION):
        await Health(incarnation="second").recover(changelog)


async def test_the_incarnation_is_asked_before_the_app_starts() -> None:
    """In a thread, since the answer may take its time."""
    health = Health(incarnation="first")
    health.worker._incarnation = ""

    async with health.worker.prepared():
        assert health.worker._incarnation == "first"


@pytest.mark.parametrize("key", [b"acc-1", PARTITION_RECORD, SCORECARDS_RECORD])
async def test_what_an_older_value_shadows_is_written_again_first_thing(key: bytes) -> None:
    """
    Compaction would leave the older value, whichever key it has.

        changelog   ours, position 4 | late, position 1 | ours again
    """
    changelog = (await folded()).changelog()
    newest = {record.key: record.value for record in changelog}
    late = pack_position(Position(1, 1, 0)) + newest[key][POSITION_SIZE:]
    changelog.append(ConsumerRecord("", 0, 0, 0, 0, key, late, None, 0, 0, ()))

    health = Health()
    await health.recover(changelog)
    await until(health.changelog)

    assert health.newest() == {key: newest[key], PARTITION_RECORD: newest[PARTITION_RECORD]}


async def with_everything_due(accounts: int, **options: Any) -> Health:
    """Accounts with a login on each of ten days are folded; the next entry is a tick long after, they went dark."""
    health = Health(**options)
    health.log(START, Scorecards(CARDS))
    for day in range(10):
        for number in range(accounts):
            at = START + day * DAY
            health.log(at, Login(f"login-{day}", at, b"somebody", "USER", "WEB"), f"acc-{number}")
        health.log(START + day * DAY, Tick())
    await health.recover()
    await health.fold()
    health.log(START + 30 * DAY, Tick())
    return health


async def test_a_tick_in_which_much_is_due_is_cut_into_steps() -> None:
    """Each step is a batch below the limit, and says how many timers of the tick have fired."""
    health = await with_everything_due(10, step_bytes=2_000)
    before = len(health.producer.batches)
    await health.fold()

    steps = [records for tp, records in health.producer.batches[before:] if tp == CHANGELOG]
    positions = [unpack_position(step[-1].value) for step in steps]
    assert len(steps) > 5
    assert max(sum(len(r.value) for r in step) for step in steps) < 2_500
    assert positions == sorted(set(positions))
    assert [position.next_offset for position in positions[:-1]] == [111] * (len(positions) - 1)
    assert positions[-1] == Position(1, 112, 0)


@pytest.mark.parametrize("steps", [1, 20, 40])
async def test_recovery_goes_on_inside_a_tick(steps: int) -> None:
    """After any step of it, the rest is the same bytes as without the crash, and the states are too."""
    whole = await with_everything_due(10, step_bytes=2_000)
    already = len(whole.outputs())
    before = len(whole.producer.batches)
    await whole.fold()
    ends = [
        number
        for number, (tp, _) in enumerate(whole.producer.batches)
        if tp == CHANGELOG and number >= before
    ]
    done = whole.producer.batches[: ends[steps - 1] + 1]

    health = Health(step_bytes=100_000)
    health.lane.thread.records[LOG] = whole.lane.thread.records[LOG]
    await health.recover([r for tp, records in done for r in records if tp == CHANGELOG], committed=111)
    assert health.store.folds[0].timers_fired > 0
    await health.fold()

    assert per_topic(health.outputs()) == per_topic(whole.outputs()[already:], skip=done[before:])
    assert health.outputs()
    recovered = {r.key: r.value for tp, records in done for r in records if tp == CHANGELOG} | health.newest()
    assert contents(recovered) == contents(whole.newest())


def per_topic(
    outputs: list[tuple[str, bytes, bytes]], skip: list[tuple[TP, list[ConsumerRecord]]] = ()
) -> dict[str, list[tuple[bytes, bytes]]]:
    """Outputs by topic, without as many of each topic as *skip* has of it."""
    topics: dict[str, list[tuple[bytes, bytes]]] = {}
    for topic, key, value in outputs:
        topics.setdefault(topic, []).append((key, value))
    for tp, records in skip:
        if tp != CHANGELOG:
            del topics[tp.topic][: len(records)]
    return topics


def contents(states: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """States without the positions at which they were written."""
    return {key: value[POSITION_SIZE:] for key, value in states.items()}


async def test_a_poll_that_makes_a_small_state_large_is_cut_before_it_fills_a_batch() -> None:
    """The fold takes a state for as large as it was when it was written last."""
    health = Health(step_bytes=100_000)
    for number in range(2_000):
        health.log(START, ticket(number), f"acc-{number % 7}")
    await health.recover()
    await health.fold()

    sizes = [sum(len(r.value) for r in records) for tp, records in health.producer.batches if tp == CHANGELOG]
    assert sum(len(value) for value in health.newest().values()) > 300_000
    assert max(sizes) < 100_000 + 60_000  # the step's limit, and the state that crossed it


async def test_the_steps_of_a_long_tick_wait_for_the_changelog() -> None:
    """A tick in which a million accounts are due must not stand in memory as a whole."""
    health = await with_everything_due(10, step_bytes=1_000)
    health.producer.held[CHANGELOG.topic] = asyncio.Event()

    folding = asyncio.create_task(health.fold())
    await asyncio.sleep(0.1)
    assert not folding.done()
    assert (health.store.folds[0].next_offset, health.store.folds[0].timers_fired > 0) == (111, True)

    health.producer.held[CHANGELOG.topic].set()
    await folding
    assert health.store.folds[0].next_offset == 112
