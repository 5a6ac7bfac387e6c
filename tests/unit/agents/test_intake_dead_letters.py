"""Dead letters: what they hold, where they go, what is too large for one, and when there are too many."""

from collections.abc import Sequence

import pytest
from faust.types import TP

from agents.dead_letter_records import DEAD_LETTER_BYTES, FLOOD_IN_A_ROW, FLOOD_OF_WINDOW, FLOOD_WINDOW
from agents.lane.fences import Exit
from pipeline import metrics
from pipeline.health.events import AccountClosed
from tests.unit.agents.intake_in_memory import ACCOUNTS, LOGINS, SURVEYS, Intake, login, survey
from tests.unit.agents.lane_in_memory import ends_with

pytestmark = pytest.mark.asyncio


async def test_a_null_closes_an_account_and_is_a_dead_letter_everywhere_else() -> None:
    """Compacted topics delete by null; an event topic that holds one has a broken producer."""
    intake = Intake()
    intake.put(TP(ACCOUNTS, 0), b"acc-1", None)
    intake.put(TP(ACCOUNTS, 0), None, None)
    intake.put(TP(LOGINS, 0), None, None)
    await intake.take_in()

    [(key, entry)] = intake.entries()
    assert (key, type(entry.body)) == (b"acc-1", AccountClosed)
    assert [code for _, code, _ in intake.dead_letters(ACCOUNTS)] == ["bad_key"]
    [(dead_letter, code, _)] = intake.dead_letters(LOGINS)
    assert (dead_letter.key, dead_letter.value, code) == (None, None, "decode")


async def test_a_dead_letter_keeps_the_record_as_received_and_says_where_it_came_from() -> None:
    """Key, value and headers, a header without a value among them; ours stand behind."""
    intake = Intake()
    theirs = (("trace", b"1"), ("empty", None))
    intake.put(TP(LOGINS, 3), b"k", b"garbage", headers=theirs)
    await intake.take_in()

    [(dead_letter, _, _)] = intake.dead_letters(LOGINS)
    assert (dead_letter.partition, dead_letter.key, dead_letter.value) == (3, b"k", b"garbage")
    assert dead_letter.headers[:5] == (
        *theirs,
        ("__connect.errors.topic", LOGINS.encode()),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"0"),
    )


async def test_dead_letters_find_a_partition_where_their_topic_has_fewer() -> None:
    """The operator chooses the counts of inputs; nothing says that the dead letters' topic has as many."""
    intake = Intake()
    intake.producer.counts[f"{LOGINS}.dlq"] = 2
    intake.put(TP(LOGINS, 3), None, b"garbage")
    await intake.take_in()

    assert [dead_letter.partition for dead_letter, _, _ in intake.dead_letters(LOGINS)] == [1]


@pytest.mark.parametrize(
    ("topic", "key", "value", "also"),
    [
        (LOGINS, b"k", bytes(1_500_000), "the value has 1500000 bytes, more than 1000000"),
        (LOGINS, bytes(DEAD_LETTER_BYTES), b"garbage", "Confluent's header"),
        (SURVEYS, b"k", survey("x" * (DEAD_LETTER_BYTES - 150)), "more than 20000"),
    ],
    ids=["value", "key", "value of a record that can be read"],
)
async def test_what_is_too_large_for_a_dead_letter_leaves_its_bytes_in_the_input(
    topic: str, key: bytes, value: bytes, also: str
) -> None:
    """
    The dead letter says where they are, and its value is not null: sent in again, that would close an
    account.

    The records around it are processed; an append that can never succeed would stop every restart.
    """
    intake = Intake()
    intake.put(TP(topic, 0), key, value, headers=(("trace", b"1"),))
    intake.put(TP(LOGINS, 0), None, login())
    await intake.take_in()

    [(dead_letter, code, detail)] = intake.dead_letters(topic)
    assert (dead_letter.key, dead_letter.value, code) == (None, b"", "too_large")
    assert also in detail
    assert "left out here, being" in detail
    assert dict(dead_letter.headers)["__connect.errors.offset"] == b"0"
    assert "trace" not in dict(dead_letter.headers)
    assert len(intake.entries()) == 1


async def test_the_largest_dead_letter_fits_into_a_batch() -> None:
    """The limit of a dead letter and that of the producer's batches belong together."""
    intake = Intake()
    reasons = 400
    intake.put(TP(LOGINS, 0), b"k", b"x" * (DEAD_LETTER_BYTES - reasons))
    await intake.take_in()

    [(dead_letter, code, _)] = intake.dead_letters(LOGINS)
    assert (len(dead_letter.value), code) == (DEAD_LETTER_BYTES - reasons, "decode")


async def take_in_many(intake: Intake, values: Sequence[bytes], partition: int = 0) -> None:
    """One poll of *values*, all of one partition."""
    for value in values:
        intake.put(TP(LOGINS, partition), None, value)
    await intake.take_in()


async def test_a_run_of_unreadable_records_ends_the_process() -> None:
    """
    Then it is rather we, or the registry, who are wrong; across polls, and broken by one that can be read.
    """
    intake = Intake()
    await take_in_many(intake, [b"garbage"] * (FLOOD_IN_A_ROW - 1))
    await take_in_many(intake, [login()])
    await take_in_many(intake, [b"garbage"])

    with ends_with(Exit.POISON_FLOOD):
        await take_in_many(intake, [b"garbage"] * (FLOOD_IN_A_ROW - 1))


async def test_a_tenth_of_the_records_unreadable_ends_the_process() -> None:
    """A producer of which one instance in eight is broken never breaks a run, and floods all the same."""
    seldom = ([b"garbage"] + [login()] * 9) * (2 * FLOOD_WINDOW // 10)
    intake = Intake()
    await take_in_many(intake, seldom)
    assert len(intake.dead_letters(LOGINS)) == 2 * FLOOD_OF_WINDOW  # a tenth, and not more

    with ends_with(Exit.POISON_FLOOD):
        await take_in_many(intake, ([b"garbage"] + [login()] * 7) * (FLOOD_WINDOW // 8))


async def test_each_partition_is_counted_by_itself() -> None:
    """
    The good records of one must not hide the flood in another, nor the bad ones of many look like a flood.
    """
    intake = Intake()
    for _ in range(3):
        for partition in (0, 3):
            for number in range(FLOOD_IN_A_ROW // 4):
                intake.put(TP(LOGINS, partition), None, b"garbage" if number else login())
        await intake.take_in()

    with ends_with(Exit.POISON_FLOOD):
        for number in range(FLOOD_IN_A_ROW):
            intake.put(TP(LOGINS, 0), None, b"garbage")
            intake.put(TP(LOGINS, 3), None, login(number))
        await intake.take_in()


async def test_nothing_of_a_flood_is_put_aside_or_committed() -> None:
    """A supervisor that starts the worker again and again must not drain the topic into the dead letters."""
    intake = Intake()
    with ends_with(Exit.POISON_FLOOD):
        await take_in_many(intake, [login(), *[b"garbage"] * FLOOD_IN_A_ROW])

    assert intake.dead_letters(LOGINS) == []
    assert intake.lane.thread.committed == {}


async def test_floods_are_quarantined_where_that_is_wanted() -> None:
    """What a flood stops is brought on again by a setting and not by a change of the code."""
    intake = Intake(set_floods_aside=True)

    await take_in_many(intake, [b"garbage"] * 5 * FLOOD_WINDOW)

    assert len(intake.dead_letters(LOGINS)) == 5 * FLOOD_WINDOW


async def test_records_that_can_be_read_are_no_flood() -> None:
    """A source whose accounts are not known yet sends thousands, and they come back later."""
    intake = Intake()

    await take_in_many(intake, [login(1, None, email="x@nobody.example")] * 5 * FLOOD_WINDOW)

    assert len(intake.dead_letters(LOGINS)) == 5 * FLOOD_WINDOW


async def test_counts_start_at_zero() -> None:
    """A rate over a code that has not occurred must be 0 and not absent."""
    Intake()

    told = {
        (sample.labels["topic"], sample.labels["code"])
        for family in metrics.DEAD_LETTERS.collect()
        for sample in family.samples
    }
    assert ("health.action.v1", "ambiguous_account") in told
    assert (LOGINS, "too_large") in told
