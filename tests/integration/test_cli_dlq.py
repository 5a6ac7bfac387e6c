"""``telltale dlq stats|ls|show``: dead letters are counted, chosen and shown without people's data."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.kafka.records import Appender
from pipeline.ops.dead_letter_reader import Choice, read_dead_letters
from pipeline.wire.inputs import InputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from tests.integration.command_line import Telltale
from tests.integration.dead_letters import INVOICE, LOGIN, dead_letter_event


@pytest.fixture
def telltale(broker: str) -> Telltale:
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


def test_dead_letters_are_counted_by_input_and_code(telltale: Telltale) -> None:
    """By what became of them, and since when; as columns with what each code means, and as JSON."""
    dead_letter_event(telltale, LOGIN, *[b"x"] * 3, code="unresolved_account")
    dead_letter_event(telltale, INVOICE, b"x", code="range")
    dead_letter_event(telltale, LOGIN, b"x", code="unresolved_account", more=[("telltale-dlq-replays", b"3")])
    telltale("dlq", "replay", "--dead-letter", "login:2:0", "--yes")
    telltale("dlq", "drop", "--dead-letter", "login:2:1", "--yes", "--why", "a test account")

    told, rows = telltale("dlq", "stats"), telltale("dlq", "stats", "--json").rows

    assert [list(row.values())[:7] for row in rows] == [
        ["invoice", "range", 1, 1, 0, 0, 0],
        ["login", "unresolved_account", 4, 1, 1, 1, 1],
    ]
    headings = "source code dead_letters pending exhausted replays dropped oldest newest"
    assert told.out.splitlines()[0].split() == headings.split()
    assert rows[1]["oldest"] <= rows[1]["newest"]
    assert "Add the external id or the domain to the account's facts" in told.out


def test_without_dead_letters_there_is_nothing_to_count(telltale: Telltale) -> None:
    """An empty answer is one, and says so on stderr."""
    counted, listed = telltale("dlq", "stats"), telltale("dlq", "ls")

    assert (counted.out, counted.err, counted.code) == ("", "no dead letters\n", 0)
    assert (listed.out, listed.err, listed.code) == ("", "0 of 0 dead letters\n", 0)


def test_what_is_done_with_is_listed_only_when_asked_for(telltale: Telltale) -> None:
    """The newest first, by the names that --dead-letter takes."""
    dead_letter_event(telltale, LOGIN, *[b"x"] * 4, code="unresolved_account")
    telltale("dlq", "drop", "--dead-letter", "login:2:1", "--yes", "--why", "a test account")
    telltale("dlq", "replay", "--dead-letter", "login:2:2", "--yes")

    open_, all_ = telltale("dlq", "ls", "--json").rows, telltale("dlq", "ls", "--all", "--json").rows

    assert [(row["dead_letter"], row["state"]) for row in open_] == [
        ("login:2:3", "pending"),
        ("login:2:0", "pending"),
    ]
    assert {row["dead_letter"]: row["state"] for row in all_} == {
        "login:2:0": "pending",
        "login:2:1": "dropped",
        "login:2:2": "replayed",
        "login:2:3": "pending",
    }
    newest = telltale("dlq", "ls", "--newest", "1")
    assert newest.out.splitlines()[1].split()[0] == "login:2:3"
    assert newest.err == "1 of 2 dead letters\n"


def test_filters_narrow_together(telltale: Telltale) -> None:
    """By input, code, time dead-lettered, and name."""
    dead_letter_event(telltale, LOGIN, b"x", code="unresolved_account")
    time.sleep(0.01)
    between = int(time.time() * 1000)
    time.sleep(0.01)
    dead_letter_event(telltale, LOGIN, b"x", code="range")
    dead_letter_event(telltale, INVOICE, b"x", code="range")

    def chosen(**options: Any) -> list[str]:
        return sorted(
            dead_letter.name
            for dead_letter in read_dead_letters(telltale.client, telltale.contract, Choice(**options))
        )

    assert chosen() == ["invoice:2:0", "login:2:0", "login:2:1"]
    assert chosen(sources=("login",)) == ["login:2:0", "login:2:1"]
    assert chosen(codes=("range",)) == ["invoice:2:0", "login:2:1"]
    assert chosen(codes=("range",), sources=("login",)) == ["login:2:1"]
    assert chosen(since=between) == ["invoice:2:0", "login:2:1"]
    assert chosen(until=between) == ["login:2:0"]
    assert chosen(names=("login:2:1", "invoice:2:0")) == ["invoice:2:0", "login:2:1"]


@pytest.mark.parametrize("command", ["stats", "ls", "show", "replay", "drop"])
def test_every_command_takes_the_same_filters(telltale: Telltale, command: str) -> None:
    """
    Whoever has found dead letters with one command can act on the same with another; times are ISO or so long
    ago.
    """
    dead_letter_event(telltale, LOGIN, b"x", code="unresolved_account")
    dead_letter_event(telltale, LOGIN, b"x", code="range")
    now = (datetime.now(UTC) + timedelta(minutes=1)).replace(tzinfo=None).isoformat()

    answer = telltale(
        "dlq", command, "--source", "login", "--code", "range", "--since", "2h", "--until", now, "--json"
    )

    assert answer.code == 0
    assert [row["code"] for row in answer.rows] == ["range"]


def test_a_dead_letter_is_shown_without_its_record_unless_revealed(telltale: Telltale) -> None:
    """Keys, values and headers hold mail addresses and what customers wrote."""
    header = ("reply-to", b"ana@canary.example")
    dead_letter_event(telltale, LOGIN, b"ana@canary.example", code="unresolved_account", more=[header])

    shown, revealed = telltale("dlq", "show"), telltale("dlq", "show", "--reveal")

    assert shown.out.startswith("login:2:0  pending\n")
    assert "origin: customer.login.v1[2]@0" in shown.out
    assert "detail: no account lists the external_id" in shown.out
    for command in (["show", "--json"], ["ls"], ["ls", "--json"]):
        assert "canary" not in telltale("dlq", *command).out
    assert "canary" not in shown.out
    assert "value: ana@canary.example" in revealed.out
    assert '"reply-to":"ana@canary.example"' in revealed.out


def test_a_revealed_dead_letter_is_decoded(telltale: Telltale) -> None:
    """Avro bytes tell nobody anything; the event's fields do."""
    event = {"event_id": "l-1", "occurred_at": 1_793_534_400_000, "source": "app", "user_id": "u"}
    event |= {"account_id": None, "email": "ana@canary.example", "channel": "WEB", "role": "USER"}
    value = InputEncoder(telltale.contract, EmbeddedRegistry(telltale.contract)).encode("login", event)
    dead_letter_event(telltale, LOGIN, value, code="unresolved_account")

    (row,) = telltale("dlq", "show", "--reveal", "--json").rows

    assert (row["event"]["event_id"], row["event"]["email"]) == ("l-1", "ana@canary.example")


def test_who_did_what_about_a_dead_letter_is_shown(telltale: Telltale) -> None:
    """A dead letter that is named is shown whatever became of it."""
    dead_letter_event(telltale, INVOICE, b"x", code="range")
    telltale("dlq", "drop", "--source", "invoice", "--yes", "--why", "billing has corrected it")

    shown = telltale("dlq", "show", "--dead-letter", "invoice:2:0").out

    assert shown.startswith("invoice:2:0  dropped\n")
    assert "why: billing has corrected it" in shown
    assert telltale("dlq", "show").out == ""


def test_a_stranger_in_the_topic_is_a_dead_letter_without_a_code(telltale: Telltale) -> None:
    """Whatever else writes there must not stop the tool, nor command the terminal."""
    with Appender(telltale.client) as appender:
        headers = [("telltale-dlq-detail", b"\x1b[2J")]
        appender.append(f"{LOGIN}.dlq", b"k", b"\x1b[2J", partition=0, headers=headers)

    (row,) = telltale("dlq", "ls", "--json").rows
    shown = telltale("dlq", "show", "--reveal").out

    assert (row["dead_letter"], row["code"], row["origin"]) == ("login:0:0", "", "?[?]@?")
    assert "detail: \\x1b[2J\n" in shown
    assert "value: \\x1b[2J\n" in shown


def test_an_unknown_input_names_the_known_ones(telltale: Telltale) -> None:
    """The hint is in the message."""
    answer = telltale("dlq", "ls", "--source", "logins")

    assert answer.code == 1
    assert 'error: "logins" is no input' in answer.err
    assert "support-ticket" in answer.err


def test_a_dead_letter_that_is_not_there_fails(telltale: Telltale) -> None:
    """A name that was mistyped must not look like a dead letter that is done with."""
    answer = telltale("dlq", "replay", "--dead-letter", "login:2:99", "--yes")

    assert answer.code == 1
    assert "no such dead letter: login:2:99" in answer.err


@pytest.mark.parametrize(
    "options",
    [("--since", "yesterday"), ("--code", "bad"), ("--dead-letter", "login[2]@7"), ("--newest", "0")],
)
def test_options_that_say_nothing_are_wrong_usage(options: tuple[str, str]) -> None:
    """Exit code 2, before anything is connected."""
    assert Telltale(brokers="127.0.0.1:1")("dlq", "ls", *options).code == 2
