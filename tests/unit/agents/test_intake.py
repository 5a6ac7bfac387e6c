"""The intake's agent: what becomes of each record, where it goes, and when it is done."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP
from lane_in_memory import ends_with
from workers_in_memory import CONTRACT, PARTITIONS, REGISTRY, Running, until

from agents.dead_letters import FLOOD_RECORDS, LETTER_BYTES
from agents.intake import IntakeWorker
from agents.lane.fences import Exit
from pipeline import metrics
from pipeline.health.events import AccountClosed, LogEntry
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.wire.contract import Schema
from pipeline.wire.inputs import InputEncoder
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import RegistryUnavailable

LOGINS, SURVEYS, ACCOUNTS = (CONTRACT.input(source).name for source in ("login", "survey", "account"))
LOG = CONTRACT.log.name
DAY_ONE = 1_700_000_000_000

encode = InputEncoder(CONTRACT, REGISTRY).encode
decode = LogCodec(CONTRACT, REGISTRY).decode

pytestmark = pytest.mark.asyncio


def login(number: int = 1, account_id: str | None = "acc-1", **fields: Any) -> bytes:
    """A login as its source sends it."""
    event = {
        "event_id": f"login-{number}",
        "occurred_at": DAY_ONE,
        "source": "app",
        "user_id": "u",
        "channel": "WEB",
    }
    return encode("login", event | {"account_id": account_id, "role": "USER"} | fields)


def account(account_id: str = "acc-1", **fields: Any) -> bytes:
    """An account's facts."""
    facts = {
        "event_id": "facts",
        "occurred_at": DAY_ONE,
        "source": "crm",
        "account_id": account_id,
        "name": "Alder",
    }
    facts |= {"segment": "MID", "lifecycle_stage": "LIVE", "domains": [], "external_ids": {}}
    return encode("account", facts | fields)


def survey(comment: str, **fields: Any) -> bytes:
    """An answer that nobody can place."""
    answer = {
        "event_id": "answer",
        "occurred_at": DAY_ONE,
        "source": "asks",
        "survey_id": "s",
        "step": "ANSWERED",
    }
    answer |= {"kind": "NPS", "score": 9, "scale_min": 0, "scale_max": 10, "higher_is_better": True}
    return encode("survey", answer | {"respondent_role": "UNKNOWN", "comment": comment} | fields)


@dataclass
class Feed:
    """Stands in for the account topic: what *appended* holds is learned at the next catch-up."""

    worker: IntakeWorker
    appended: list[ConsumerRecord] = field(default_factory=list)
    catch_ups: int = 0

    async def catch_up(self) -> None:
        self.catch_ups += 1
        await self.worker._learn(self.appended)


class Intake(Running):
    """An intake worker that owns partitions 0 and 3 of three inputs."""

    def __init__(self, registry: Any = REGISTRY) -> None:
        super().__init__(*(TP(topic, number) for topic in (LOGINS, SURVEYS, ACCOUNTS) for number in (0, 3)))
        self.worker = IntakeWorker(
            self.lane.app,
            contract=CONTRACT,
            registry=registry,
            pseudonyms=Pseudonyms(b"0123456789abcdef0123456789abcdef"),
            tick_seconds=10,
        )
        self.feed = self.worker._feed = Feed(self.worker)

    async def take_in(self) -> None:
        """Process one poll, and wait until all of it is written and acknowledged."""
        events = await self.process(self.worker)
        await until(lambda: all(event.value.acked for event in events))

    def entries(self) -> list[tuple[bytes, LogEntry]]:
        """The log."""
        return [(record.key, decode(record.value)) for record in self.producer.read(LOG)]

    def letters(self, topic: str) -> list[tuple[ConsumerRecord, str, str]]:
        """The dead letters of *topic*: each with its code and its detail."""
        found = []
        for letter in self.producer.read(f"{topic}.dlq"):
            headers = dict(letter.headers)
            found.append(
                (letter, headers["telltale-dlq-code"].decode(), headers["telltale-dlq-detail"].decode())
            )
        return found


async def test_all_events_of_an_account_go_into_one_partition_with_where_they_came_from() -> None:
    """Whatever topic and partition they come from; the log's order of one source partition is the source's."""
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
    assert not event.value.acked

    intake.producer.held[LOG].set()
    await until(lambda: event.value.acked)


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
    assert not event.value.acked


async def test_an_event_is_observed_at_its_kafka_timestamp_but_not_ahead_of_our_clock() -> None:
    """A clock of a producer or a broker that runs ahead must not make accounts older than the ticks."""
    intake = Intake()
    before = int(time.time() * 1000)
    intake.put(TP(LOGINS, 0), None, login(1), timestamp=DAY_ONE + 5)
    intake.put(TP(LOGINS, 0), None, login(2), timestamp=before + 60_000)
    await intake.take_in()

    usual, ahead = (entry.observed_at for _, entry in intake.entries())
    assert usual == DAY_ONE + 5
    assert before <= ahead <= int(time.time() * 1000)


async def test_a_null_closes_an_account_and_is_a_dead_letter_everywhere_else() -> None:
    """Compacted topics delete by null; an event topic that holds one has a broken producer."""
    intake = Intake()
    intake.put(TP(ACCOUNTS, 0), b"acc-1", None)
    intake.put(TP(ACCOUNTS, 0), None, None)
    intake.put(TP(LOGINS, 0), None, None)
    await intake.take_in()

    [(key, entry)] = intake.entries()
    assert (key, type(entry.body)) == (b"acc-1", AccountClosed)
    assert [code for _, code, _ in intake.letters(ACCOUNTS)] == ["bad_key"]
    [(letter, code, _)] = intake.letters(LOGINS)
    assert (letter.key, letter.value, code) == (None, None, "decode")


async def test_a_dead_letter_keeps_the_record_as_received_and_says_where_it_came_from() -> None:
    """Key, value and headers, a header without a value among them; ours stand behind."""
    intake = Intake()
    theirs = (("trace", b"1"), ("empty", None))
    intake.put(TP(LOGINS, 3), b"k", b"garbage", headers=theirs)
    await intake.take_in()

    [(letter, _, _)] = intake.letters(LOGINS)
    assert (letter.partition, letter.key, letter.value) == (3, b"k", b"garbage")
    assert letter.headers[:5] == (
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

    assert [letter.partition for letter, _, _ in intake.letters(LOGINS)] == [1]


@pytest.mark.parametrize(
    ("topic", "key", "value", "also"),
    [
        (LOGINS, b"k", bytes(1_500_000), "the value has 1500000 bytes, more than 1000000"),
        (LOGINS, bytes(LETTER_BYTES), b"garbage", "Confluent's header"),
        (SURVEYS, b"k", survey("x" * (LETTER_BYTES - 150)), "more than 20000"),
    ],
    ids=["value", "key", "value of a record that can be read"],
)
async def test_what_is_too_large_for_a_letter_leaves_its_bytes_in_the_input(
    topic: str, key: bytes, value: bytes, also: str
) -> None:
    """
    The letter says where they are, and its value is not null: sent in again, that would close an account.

    The records around it are processed; an append that can never succeed would stop every restart.
    """
    intake = Intake()
    intake.put(TP(topic, 0), key, value, headers=(("trace", b"1"),))
    intake.put(TP(LOGINS, 0), None, login())
    await intake.take_in()

    [(letter, code, detail)] = intake.letters(topic)
    assert (letter.key, letter.value, code) == (None, b"", "too_large")
    assert also in detail
    assert "left out here, being" in detail
    assert dict(letter.headers)["__connect.errors.offset"] == b"0"
    assert "trace" not in dict(letter.headers)
    assert len(intake.entries()) == 1


async def test_the_largest_letter_fits_into_a_batch() -> None:
    """The limit of a letter and that of the producer's batches belong together."""
    intake = Intake()
    reasons = 400
    intake.put(TP(LOGINS, 0), b"k", b"x" * (LETTER_BYTES - reasons))
    await intake.take_in()

    [(letter, code, _)] = intake.letters(LOGINS)
    assert (len(letter.value), code) == (LETTER_BYTES - reasons, "decode")


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
    assert [code for _, code, _ in intake.letters(LOGINS)] == ["unresolved_account"]
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


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.intake._REGISTRY_RETRY_SECONDS", 0.001)


@pytest.mark.usefixtures("no_pause")
async def test_without_a_registry_records_wait() -> None:
    """That nobody answers says nothing about the records."""
    intake = Intake(AwayRegistry(3))
    intake.put(TP(LOGINS, 0), None, login(1))
    intake.put(TP(LOGINS, 0), None, b"garbage")
    await intake.take_in()

    assert len(intake.entries()) == 1
    assert len(intake.letters(LOGINS)) == 1


@pytest.mark.usefixtures("no_pause")
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


async def take_in_many(intake: Intake, values: Sequence[bytes]) -> None:
    for value in values:
        intake.put(TP(LOGINS, 0), None, value)
    await intake.take_in()


async def test_a_flood_of_unreadable_records_ends_the_process() -> None:
    """Then it is rather we, or the registry, who are wrong."""
    half = FLOOD_RECORDS // 2
    await take_in_many(Intake(), [b"garbage"] * half + [login()] * half)  # no flood: half can be read

    with ends_with(Exit.POISON_FLOOD):
        await take_in_many(Intake(), [b"garbage"] * (half + 1) + [login()] * (half - 1))


async def test_records_that_can_be_read_are_no_flood() -> None:
    """A source whose accounts are not known yet sends thousands, and they are sent in again later."""
    intake = Intake()

    await take_in_many(intake, [login(1, None, email="x@nobody.example")] * FLOOD_RECORDS)

    assert len(intake.letters(LOGINS)) == FLOOD_RECORDS


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


async def test_a_tick_goes_into_every_partition() -> None:
    """Time passes for every account."""
    intake = Intake()

    written = await intake.worker._write_tick(DAY_ONE, range(PARTITIONS))

    assert sorted(record.partition for record in intake.producer.read(LOG)) == [0, 1, 2, 3]
    assert {entry.observed_at for _, entry in intake.entries()} == {DAY_ONE}
    assert len(written) == PARTITIONS
