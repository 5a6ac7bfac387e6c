"""``telltale dlq``: dead letters are counted, shown without people's data, and sent in again once."""

from collections.abc import Sequence

import pytest
from command_line import Telltale

from pipeline.cli.dlq import MOST_REPLAYS
from pipeline.kafka.records import Appender, Record, read_topic

LOGIN, INVOICE = "customer.login.v1", "customer.invoice.v1"


@pytest.fixture
def telltale(broker: str) -> Telltale:
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


def put_aside(
    telltale: Telltale,
    topic: str,
    value: bytes,
    code: str,
    *,
    offset: int = 0,
    more: Sequence[tuple[str, bytes]] = (),
) -> None:
    """A dead letter as the intake writes it, of a record that came with one header of its sender."""
    headers = [
        ("traceparent", b"00-ab-cd-01"),
        *more,
        ("__connect.errors.topic", topic.encode()),
        ("__connect.errors.partition", b"2"),
        ("__connect.errors.offset", str(offset).encode()),
        ("telltale-dlq-code", code.encode()),
        ("telltale-dlq-detail", b"no account lists the external_id"),
    ]
    with Appender(telltale.client) as appender:
        appender.append(f"{topic}.dlq", b"key", value, partition=2, headers=headers)


def inputs(telltale: Telltale, topic: str) -> list[Record]:
    return list(read_topic(telltale.client, topic))


def test_letters_are_counted_by_input_and_code(telltale: Telltale) -> None:
    """As columns with what each code means, and as JSON."""
    for number in range(3):
        put_aside(telltale, LOGIN, b"x", "unresolved_account", offset=number)
    put_aside(telltale, INVOICE, b"x", "range")

    told, rows = telltale("dlq", "ls"), telltale("dlq", "ls", "--json").rows

    assert [(row["source"], row["code"], row["letters"], row["waiting"]) for row in rows] == [
        ("invoice", "range", 1, 1),
        ("login", "unresolved_account", 3, 3),
    ]
    assert told.out.splitlines()[0].split() == ["source", "code", "letters", "waiting", "newest"]
    assert "Add the external id or the domain to the account's facts" in told.out


def test_without_letters_there_is_nothing_to_count(telltale: Telltale) -> None:
    """An empty answer is one, and says so on stderr."""
    answer = telltale("dlq", "ls")

    assert (answer.out, answer.err, answer.code) == ("", "no dead letters\n", 0)


def test_a_letter_is_shown_without_its_value_unless_revealed(telltale: Telltale) -> None:
    """Values hold mail addresses and what customers wrote."""
    put_aside(telltale, LOGIN, b"ana@canary.example", "unresolved_account", offset=17)

    shown, revealed = telltale("dlq", "show"), telltale("dlq", "show", "--reveal")

    assert "customer.login.v1[2]@17  waiting" in shown.out
    assert "unresolved_account: no account lists the external_id" in shown.out
    assert "canary" not in shown.out + telltale("dlq", "show", "--json").out
    assert "ana@canary.example" in revealed.out


def test_a_replayed_letter_is_the_record_as_received(telltale: Telltale) -> None:
    """Key, value and the sender's headers go back to the input; ours do not."""
    put_aside(telltale, LOGIN, b"\x00\x01value", "unresolved_account")

    answer = telltale("dlq", "replay")

    (record,) = inputs(telltale, LOGIN)
    assert answer.out == "1 letter (1 unresolved_account) sent\n"
    assert (record.key, record.value) == (b"key", b"\x00\x01value")
    assert dict(record.headers) == {"traceparent": b"00-ab-cd-01", "telltale-dlq-replays": b"1"}


def test_no_letter_is_sent_twice(telltale: Telltale) -> None:
    """The second replay sends only what was put aside since the first."""
    put_aside(telltale, LOGIN, b"first", "unresolved_account")
    telltale("dlq", "replay")
    put_aside(telltale, LOGIN, b"second", "unresolved_account", offset=1)

    telltale("dlq", "replay")

    assert sorted(record.value or b"" for record in inputs(telltale, LOGIN)) == [b"first", b"second"]
    assert telltale("dlq", "ls", "--json").rows[0]["waiting"] == 0


def test_only_what_another_thing_can_cure_is_sent_unless_named(telltale: Telltale) -> None:
    """A negative amount stays negative; a code that was passed over can still be sent later."""
    put_aside(telltale, INVOICE, b"unresolved", "unresolved_account")
    put_aside(telltale, INVOICE, b"negative", "range", offset=1)

    telltale("dlq", "replay")
    first = [record.value for record in inputs(telltale, INVOICE)]
    telltale("dlq", "replay", "--code", "range")

    assert first == [b"unresolved"]
    assert sorted(record.value or b"" for record in inputs(telltale, INVOICE)) == [b"negative", b"unresolved"]


def test_one_input_is_replayed_alone(telltale: Telltale) -> None:
    """--source leaves the letters of the others waiting."""
    put_aside(telltale, LOGIN, b"login", "unresolved_account")
    put_aside(telltale, INVOICE, b"invoice", "unresolved_account")

    telltale("dlq", "replay", "--source", "login")

    assert len(inputs(telltale, LOGIN)) == 1
    assert inputs(telltale, INVOICE) == []


def test_a_dry_run_sends_nothing_and_counts_the_same(telltale: Telltale) -> None:
    """It can be followed by the replay it announced."""
    put_aside(telltale, LOGIN, b"x", "unresolved_account")

    answer = telltale("dlq", "replay", "--dry-run")

    assert answer.out == "1 letter (1 unresolved_account) would be sent\n"
    assert inputs(telltale, LOGIN) == []
    assert telltale("dlq", "ls", "--json").rows[0]["waiting"] == 1


def test_a_letter_that_keeps_coming_back_stays(telltale: Telltale) -> None:
    """After three rounds somebody has to look at it; each round would be another dead letter."""
    put_aside(
        telltale,
        LOGIN,
        b"x",
        "unresolved_account",
        more=[("telltale-dlq-replays", str(MOST_REPLAYS).encode())],
    )

    answer = telltale("dlq", "replay")

    assert inputs(telltale, LOGIN) == []
    assert "1 stay: they came back 3 times" in answer.err


def test_an_unknown_input_names_the_known_ones(telltale: Telltale) -> None:
    """The way out is in the message."""
    answer = telltale("dlq", "ls", "--source", "logins")

    assert answer.code == 1
    assert 'error: "logins" is no input' in answer.err
    assert "support-ticket" in answer.err
