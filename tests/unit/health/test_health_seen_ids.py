"""Dropping what a source sends twice."""

from pipeline.health.events import Event
from pipeline.health.seen_ids import SEEN_IDS, SeenIds, hash_of
from tests.unit.health.health_builders import START, login, ticket


def is_new(seen: SeenIds, event: Event) -> bool:
    """Whether the event is none that was taken before; it is remembered then."""
    event_hash = hash_of(event)
    if seen.holds(event_hash):
        return False
    seen.remember(event_hash)
    return True


def test_an_id_is_new_once() -> None:
    """A retry with the same event id is found."""
    seen = SeenIds()

    assert is_new(seen, login(START, event_id="a"))
    assert not is_new(seen, login(START, event_id="a"))


def test_two_kinds_of_events_may_share_an_id() -> None:
    """Sources number their events without asking each other."""
    seen = SeenIds()

    assert is_new(seen, login(START, event_id="1"))
    assert is_new(seen, ticket(START, event_id="1"))


def test_two_systems_of_one_input_may_share_an_id() -> None:
    """Two help desks count from 1, each its own tickets."""
    seen = SeenIds()

    assert is_new(seen, ticket(START, ticket_id="zendesk:7", event_id="1"))
    assert is_new(seen, ticket(START, ticket_id="intercom:7", event_id="1"))
    assert not is_new(seen, ticket(START, ticket_id="zendesk:7", event_id="1"))


def test_a_duplicate_is_found_among_the_last_ids_and_counts_again_beyond_them() -> None:
    """The horizon is what is published: so many events of one account."""
    seen = SeenIds()
    for number in range(SEEN_IDS + 1):
        is_new(seen, login(START, event_id=str(number)))

    assert not is_new(seen, login(START, event_id="1"))
    assert is_new(seen, login(START, event_id="0"))


def test_a_hash_is_not_found_across_two_others() -> None:
    """Bytes of two neighbours that happen to look like an id are none."""
    seen = SeenIds()
    seen.hashes += bytes(4) + hash_of(login(START, event_id="a")) + bytes(4)

    assert is_new(seen, login(START, event_id="a"))
    assert not is_new(seen, login(START, event_id="a"))
