"""Headers of dead letters and markers."""

import pytest

from pipeline.wire.dead_letters import (
    DeadLetterHeaders,
    ReplayMarker,
    dead_letter_headers,
    headers_again,
    read,
)

SENDERS = [("traceparent", b"00-ab"), ("empty", None)]
OURS = dead_letter_headers(
    "customer.login.v1", 3, 991, "unresolved_account", "no account lists the external_id"
)


def test_a_dead_letter_says_where_it_came_from_and_why_it_is_there() -> None:
    """What the intake writes is what the tool reads."""
    assert read([*SENDERS, *OURS]) == DeadLetterHeaders(
        code="unresolved_account",
        detail="no account lists the external_id",
        origin="customer.login.v1[3]@991",
        replays=0,
    )


def test_a_record_keeps_its_senders_headers_and_counts_its_rounds() -> None:
    """Ours are left behind but for the count, which goes with it into its next dead letter."""
    first = headers_again([*SENDERS, *OURS])
    second = headers_again([*first, *OURS])

    assert first == [*SENDERS, ("telltale-dlq-replays", b"1")]
    assert second == [*SENDERS, ("telltale-dlq-replays", b"2")]


def test_a_mark_says_which_dead_letter_is_done_with_by_whom_and_why() -> None:
    """In any language; nothing of it is the record's."""
    marker = ReplayMarker(offset=17, done="dropped", by="ana@desk", why="gehört niemandem")

    assert read(marker.headers()) == marker


def test_no_input_record_can_pass_for_a_mark() -> None:
    """Whoever may write to an input may not give up other people's dead letters by its headers."""
    forged = ReplayMarker(offset=17, done="dropped", by="me", why="").headers()

    assert isinstance(read([*forged, *OURS]), DeadLetterHeaders)


def test_what_a_sender_says_of_the_dead_letter_does_not_count() -> None:
    """Our headers stand behind the sender's, and the last one of a name holds."""
    forged = [("telltale-dlq-code", b"range"), ("__connect.errors.offset", b"1")]

    dead_letter = read([*forged, *OURS])

    assert isinstance(dead_letter, DeadLetterHeaders)
    assert (dead_letter.code, dead_letter.origin) == ("unresolved_account", "customer.login.v1[3]@991")


@pytest.mark.parametrize("count", [b"", b"-1", b"\xff", "²".encode(), b"9" * 30, None])
def test_a_count_that_is_none_is_zero(count: bytes | None) -> None:
    """Headers are anybody's bytes, and none of them may stop the reader."""
    dead_letter = read([("telltale-dlq-replays", count), *OURS])

    assert isinstance(dead_letter, DeadLetterHeaders)
    assert dead_letter.replays == 0


def test_a_record_without_our_headers_is_a_dead_letter_without_a_code() -> None:
    """Somebody else wrote it into the topic; it is shown like any other."""
    assert read([]) == DeadLetterHeaders(code="", detail="", origin="?[?]@?", replays=0)
