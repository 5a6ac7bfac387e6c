"""Dropping what a source sends twice."""

from pipeline.health.seen_ids import SEEN_IDS, SeenIds


def test_an_id_is_new_once() -> None:
    """A retry with the same event id is found."""
    seen = SeenIds()

    assert seen.add("login", "a", b"x")
    assert not seen.add("login", "a", b"x")


def test_two_kinds_of_events_may_share_an_id() -> None:
    """Sources number their events without asking each other."""
    seen = SeenIds()

    assert seen.add("login", "1", b"x")
    assert seen.add("ticket", "1", b"x")


def test_two_systems_of_one_input_may_share_an_id() -> None:
    """Two help desks count from 1, each its own tickets."""
    seen = SeenIds()

    assert seen.add("ticket", "1", b"zendesk:7")
    assert seen.add("ticket", "1", b"intercom:7")
    assert not seen.add("ticket", "1", b"zendesk:7")


def test_a_duplicate_is_found_among_the_last_ids_and_counts_again_beyond_them() -> None:
    """The horizon is what is published: so many events of one account."""
    seen = SeenIds()
    for number in range(SEEN_IDS + 1):
        seen.add("login", str(number), b"x")

    assert not seen.add("login", "1", b"x")
    assert seen.add("login", "0", b"x")


def test_a_hash_is_not_found_across_two_others() -> None:
    """Bytes of two neighbours that happen to look like an id are none."""
    other, seen = SeenIds(), SeenIds()
    other.add("login", "a", b"x")
    seen.hashes += bytes(4) + other.hashes + bytes(4)

    assert seen.add("login", "a", b"x")
    assert not seen.add("login", "a", b"x")
