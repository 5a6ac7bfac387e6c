"""
What a health worker makes of its changelog when it starts: where it reads on, what it refuses, what it mends.
"""

import pytest
from aiokafka.structs import ConsumerRecord
from msgspec import msgpack

from agents.lane.fences import Exit
from pipeline.health.events import Scorecards
from pipeline.wire.position import (
    EPOCH_MARK,
    PARTITION_RECORD,
    POSITION_SIZE,
    SCORECARDS_RECORD,
    Position,
    encode_epoch_mark,
    pack_position,
)
from pipeline.wire.state import STATE_VERSION, decode_record
from tests.unit.agents.health_in_memory import LOG, START, Health, folded, login
from tests.unit.agents.lane_in_memory import ends_with, offsets
from tests.unit.agents.lane_in_memory import record as consumer_record
from tests.unit.agents.workers_in_memory import until

pytestmark = pytest.mark.asyncio


async def test_the_state_says_where_the_log_is_read_on_and_its_outputs_are_not_repeated() -> None:
    """The group's offset is behind after a crash between state and commit."""
    before = await folded()
    health = Health()
    health.lane.thread.records[LOG] = before.lane.thread.records[LOG]
    await health.recover(before.changelog(), committed=1)
    health.log(START, login(9), "acc-0")
    [event] = await health.fold()

    assert offsets(event) == [4]
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
    """The record counts the accounts, and knows that scorecards were active."""
    changelog = [r for r in (await folded()).changelog() if r.key != lost]

    with ends_with(Exit.ACCOUNTS_DIFFER):
        await Health().recover(changelog)


async def test_an_entry_that_only_a_newer_release_can_read_ends_the_process() -> None:
    """It is told from rubbish by its schema id; the log stays as it is, so the newer release can go on."""
    health = await folded()
    newer = bytearray(health.lane.thread.records[LOG][-1].value)
    newer[1:5] = (999).to_bytes(4)
    offset = health.lane.thread.records[LOG][-1].offset + 1
    health.lane.thread.records[LOG].append(consumer_record(LOG, offset, b"acc-0", bytes(newer)))

    with ends_with(Exit.NEWER_STATE):
        await health.process(health.worker)


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
            fields = [STATE_VERSION + 1, *msgpack.decode(record.value[POSITION_SIZE:])[1:]]
            value = record.value[:POSITION_SIZE] + msgpack.encode(fields)
            changelog[number] = ConsumerRecord("", 0, 0, 0, 0, key, value, None, 0, 0, ())

    with ends_with(Exit.NEWER_STATE):
        await Health().recover(changelog)


@pytest.mark.parametrize("key", [b"acc-1", PARTITION_RECORD])
async def test_a_value_with_a_field_of_a_newer_release_is_refused(key: bytes) -> None:
    """A field that is appended does not change the version, and is of a newer release all the same."""
    changelog = (await folded()).changelog()
    for number, record in enumerate(changelog):
        if record.key == key:
            fields = [*msgpack.decode(record.value[POSITION_SIZE:]), "new"]
            value = record.value[:POSITION_SIZE] + msgpack.encode(fields)
            changelog[number] = ConsumerRecord("", 0, 0, 0, 0, key, value, None, 0, 0, ())

    with ends_with(Exit.NEWER_STATE):
        await Health().recover(changelog)


async def test_scorecards_of_a_newer_release_are_refused_in_the_log() -> None:
    """By all workers at once; a restart of the same release does not help, and says so."""
    health = await folded()
    health.log(START, Scorecards(["format = 2"]))

    with ends_with(Exit.NEWER_STATE):
        await health.process(health.worker)


async def test_scorecards_of_a_newer_release_are_refused_in_the_state() -> None:
    """As they stand there when a worker of the older release takes over."""
    changelog = (await folded()).changelog()
    for number, record in enumerate(changelog):
        if record.key == SCORECARDS_RECORD:
            value = record.value[:POSITION_SIZE] + msgpack.encode([STATE_VERSION, ["format = 2"]])
            changelog[number] = ConsumerRecord("", 0, 0, 0, 0, record.key, value, None, 0, 0, ())

    with ends_with(Exit.NEWER_STATE):
        await Health().recover(changelog)


async def test_the_state_of_another_log_is_refused() -> None:
    """A log that was made again starts at 0: its first entries would be taken for old ones, and skipped."""
    changelog = (await folded(topic_id="first")).changelog()
    await Health(topic_id="first").recover(changelog)

    with ends_with(Exit.OTHER_TOPIC_ID):
        await Health(topic_id="second").recover(changelog)


async def test_the_topic_id_is_asked_before_the_app_starts() -> None:
    """In a thread, since the answer may take its time."""
    health = Health(topic_id="first")
    health.worker._topic_ids.ids = {}

    async with health.worker.prepared():
        assert list(health.worker._topic_ids.ids.values()) == ["first"]


def record_of(key: bytes, value: bytes) -> ConsumerRecord:
    return ConsumerRecord("", 0, 0, 0, 0, key, value, None, 0, 0, ())


def of_epoch(epoch: int, value: bytes) -> bytes:
    return pack_position(Position(epoch, 4, 0)) + value[POSITION_SIZE:]


async def test_an_epoch_that_was_begun_and_not_completed_is_refused() -> None:
    """The rebuild is at it; a worker that went on with the old epoch would write below what is there."""
    changelog = [*(await folded()).changelog(), record_of(EPOCH_MARK, encode_epoch_mark(2))]

    with ends_with(Exit.REBUILD):
        await Health().recover(changelog)


async def test_a_complete_epoch_is_taken_over_whatever_lies_around_it() -> None:
    """
    Values of the epoch before count no more, wherever they stand, and none is written again.

        changelog   epoch 1, acc-0 to acc-2 | mark | epoch 2, acc-0 and acc-1 | epoch 1, late
    """
    before = (await folded()).changelog()
    newest = {record.key: record.value for record in before}
    smaller = (await folded(accounts=2)).newest()
    rebuilt = {key: of_epoch(2, value) for key, value in smaller.items()}
    late = [record_of(key, newest[key]) for key in (b"acc-1", b"acc-2")]

    health = Health()
    mark = record_of(EPOCH_MARK, encode_epoch_mark(2))
    await health.recover([*before, mark, *(record_of(*value) for value in rebuilt.items()), *late])
    await until(health.changelog)

    assert set(health.store.folds[0].states) == {"acc-0", "acc-1"}
    assert health.store.folds[0].epoch == 2
    assert set(health.newest()) == {b"acc-1", PARTITION_RECORD}


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
