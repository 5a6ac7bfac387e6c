"""
``telltale dlq replay|drop``: told first, done with --yes; a dead letter is sent once, and its account counts
it once.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.kafka.records import Appender
from pipeline.ops.dead_letter_reader import DeadLetter, read_dead_letters
from pipeline.wire.dead_letters import MOST_REPLAYS, MOST_UNMARKED
from tests.integration.command_line import Telltale
from tests.integration.dead_letters import INVOICE, LOGIN, PARTITION, dead_letter_event, records, values


@pytest.fixture
def telltale(broker: str) -> Telltale:
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


def dead_letters(telltale: Telltale) -> Iterator[DeadLetter]:
    return read_dead_letters(telltale.client, telltale.contract)


def states(telltale: Telltale) -> dict[str, str]:
    return {dead_letter.name: dead_letter.state for dead_letter in dead_letters(telltale)}


def test_a_replayed_dead_letter_is_the_record_as_received(telltale: Telltale) -> None:
    """Key, value and the sender's headers go back to the partition they came from; our headers do not."""
    dead_letter_event(telltale, LOGIN, b"\x00\x01value", code="unresolved_account")

    answer = telltale("dlq", "replay", "--yes", "--why", "the CRM knows it now")

    (record,) = records(telltale, LOGIN)
    assert (answer.out, answer.err) == ("1 dead letter (1 unresolved_account) sent\n", "")
    assert (record.partition, record.key, record.value) == (PARTITION, b"key", b"\x00\x01value")
    assert dict(record.headers) == {"traceparent": b"00-ab-cd-01", "telltale-dlq-replays": b"1"}
    (dead_letter,) = dead_letters(telltale)
    assert dead_letter.marker is not None
    assert (dead_letter.state, dead_letter.marker.why) == ("replayed", "the CRM knows it now")
    assert "@" in dead_letter.marker.by


@pytest.mark.parametrize("command", [["replay"], ["drop", "--source", "login"]])
def test_without_yes_it_is_only_told(telltale: Telltale, command: list[str]) -> None:
    """And how to do it; what it says can be done afterwards."""
    dead_letter_event(telltale, LOGIN, b"x", code="unresolved_account")

    answer, rows = telltale("dlq", *command), telltale("dlq", *command, "--json").rows

    would = "be sent to their inputs again" if command == ["replay"] else "be dropped"
    assert answer.out == f"1 dead letter (1 unresolved_account) would {would}\n"
    assert answer.err == "nothing was done: add --yes to do it\n"
    assert rows == [{"source": "login", "code": "unresolved_account", "dead_letters": 1, "done": False}]
    assert values(telltale, LOGIN) == []
    assert states(telltale) == {"login:2:0": "pending"}


def test_no_dead_letter_is_sent_twice(telltale: Telltale) -> None:
    """The second replay sends only what was dead-lettered since the first."""
    dead_letter_event(telltale, LOGIN, b"first", code="unresolved_account")
    telltale("dlq", "replay", "--yes")
    dead_letter_event(telltale, LOGIN, b"second", code="unresolved_account")

    telltale("dlq", "replay", "--yes")

    assert values(telltale, LOGIN) == [b"first", b"second"]
    assert telltale("dlq", "replay", "--yes").out == "no dead letters sent\n"


def test_single_dead_letters_are_sent_and_those_between_still_wait(telltale: Telltale) -> None:
    """A marker is about one dead letter, so a choice leaves no trace in what was not chosen."""
    dead_letter_event(telltale, LOGIN, *(b"%d" % number for number in range(3)), code="range")

    telltale("dlq", "replay", "--dead-letter", "login:2:0", "--dead-letter", "login:2:2", "--yes")
    again = telltale("dlq", "replay", "--dead-letter", "login:2:0", "--yes")

    assert values(telltale, LOGIN) == [b"0", b"2"]
    assert states(telltale)["login:2:1"] == "pending"
    assert (again.out, again.err) == ("no dead letters sent\n", "1 stay: replayed already\n")


def test_only_what_another_thing_can_cure_is_sent_unless_named(telltale: Telltale) -> None:
    """A negative amount stays negative; a code that was passed over can still be sent later."""
    dead_letter_event(telltale, INVOICE, b"unresolved", code="unresolved_account")
    dead_letter_event(telltale, INVOICE, b"negative", code="range")

    telltale("dlq", "replay", "--yes")
    first = values(telltale, INVOICE)
    telltale("dlq", "replay", "--code", "range", "--yes")

    assert first == [b"unresolved"]
    assert values(telltale, INVOICE) == [b"unresolved", b"negative"]


def test_a_dead_letter_that_keeps_coming_back_stays(telltale: Telltale) -> None:
    """After three rounds somebody has to look at it; each round would be another dead letter."""
    exhausted = [("telltale-dlq-replays", str(MOST_REPLAYS).encode())]
    dead_letter_event(telltale, LOGIN, b"x", code="unresolved_account", more=exhausted)

    answer = telltale("dlq", "replay", "--yes")

    assert values(telltale, LOGIN) == []
    assert "1 stay: they came back 3 times" in answer.err
    assert states(telltale) == {"login:2:0": "exhausted"}


def test_a_record_that_is_not_in_its_dead_letter_is_not_sent(telltale: Telltale) -> None:
    """Its value is empty there: as an event it would be another one."""
    dead_letter_event(telltale, LOGIN, b"", code="too_large")

    answer = telltale("dlq", "replay", "--code", "too_large", "--yes")

    assert values(telltale, LOGIN) == []
    assert "1 stay: too large for a dead letter" in answer.err


def test_a_dropped_dead_letter_is_never_sent(telltale: Telltale) -> None:
    """Who dropped it and why is kept; its bytes are too, until retention takes them."""
    dead_letter_event(telltale, LOGIN, b"x", code="unresolved_account")

    answer = telltale("dlq", "drop", "--code", "unresolved_account", "--yes", "--why", "a test account")
    telltale("dlq", "replay", "--yes")

    assert answer.out == "1 dead letter (1 unresolved_account) dropped\n"
    assert values(telltale, LOGIN) == []
    (dead_letter,) = dead_letters(telltale)
    assert dead_letter.marker is not None
    assert (dead_letter.state, dead_letter.marker.why, dead_letter.record.value) == (
        "dropped",
        "a test account",
        b"x",
    )


@pytest.mark.parametrize("options", [[], ["--yes", "--why", "w"], ["--source", "login", "--yes"]])
def test_dropping_needs_a_choice_and_a_reason(options: list[str]) -> None:
    """
    Everything is dropped by nobody in earnest; and nobody knows a year later why a dead letter was. Exit code
    2.
    """
    assert Telltale(brokers="127.0.0.1:1")("dlq", "drop", *options).code == 2


def test_a_replay_keeps_to_its_rate(telltale: Telltale) -> None:
    """Whoever sends a day's dead letters again into a busy pipeline can leave room for the day."""
    dead_letter_event(telltale, LOGIN, *[b"x"] * 11, code="unresolved_account")

    began = time.monotonic()
    telltale("dlq", "replay", "--yes", "--rate", "20")

    assert time.monotonic() - began >= 0.5
    assert len(values(telltale, LOGIN)) == 11


def test_a_crash_repeats_no_more_than_an_account_remembers(
    telltale: Telltale, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A replay that dies at its first marker has sent what it repeats next time, and no more than that is
    unmarked.

        sent 0..99, dies | sent 0..99 again, marked | sent 100..149, marked
    """
    count = MOST_UNMARKED + 50
    dead_letter_event(
        telltale, LOGIN, *(b"%d" % number for number in range(count)), code="unresolved_account"
    )
    append = Appender.append

    def dying(self: Appender, topic: str, *record: Any, **options: Any) -> None:
        if topic.endswith(".dlq"):
            raise KeyboardInterrupt
        append(self, topic, *record, **options)

    with monkeypatch.context() as dies:
        dies.setattr(Appender, "append", dying)
        assert telltale("dlq", "replay", "--yes").code == 1
    told = telltale("dlq", "replay", "--yes").out

    sent = values(telltale, LOGIN)
    assert told == f"{count} dead letters ({count} unresolved_account) sent\n"
    assert sent[:MOST_UNMARKED] == sent[MOST_UNMARKED : 2 * MOST_UNMARKED]
    assert len(sent) == count + MOST_UNMARKED
    assert set(states(telltale).values()) == {"replayed"}


def test_the_doctor_warns_of_dead_letters_that_wait_for_somebody(telltale: Telltale) -> None:
    """Not of those that are done with, nor of the markers that say so."""

    def finding() -> list[str]:
        return [
            r["state"]
            for r in telltale("doctor", "--json", "--watch", "1", TELLTALE_TICK_SECONDS="1").rows
            if r["check"] == "dlq"
        ]

    dead_letter_event(telltale, LOGIN, b"x", code="range")
    before = finding()
    telltale("dlq", "drop", "--source", "login", "--yes", "--why", "a test account")

    assert (before, finding()) == (["warn"], ["ok"])
