"""Dead letters that wait for an account: found by any of their claims, in a bounded number."""

from agents.pending_dead_letters import PendingDeadLetters, Place

ID, DOMAIN = ("crm", "4711"), (None, "acme.example")


def place(offset: int) -> Place:
    return Place("customer.login.v1.dlq", 0, offset)


def test_a_dead_letter_is_found_by_each_of_its_claims() -> None:
    """
    An account may become known by its external id or by its domain; all claims of the dead letter are told.
    """
    waiting = PendingDeadLetters(10)
    waiting.add(place(1), (ID, DOMAIN))
    waiting.add(place(2), (DOMAIN,))

    assert waiting.waiting_for([ID]) == {place(1): (ID, DOMAIN)}
    assert waiting.waiting_for([ID, DOMAIN]) == {place(1): (ID, DOMAIN), place(2): (DOMAIN,)}
    assert waiting.waiting_for([(None, "other.example")]) == {}


def test_a_dead_letter_that_is_done_with_waits_for_nothing() -> None:
    """Marks may come twice, and for dead letters that were never kept."""
    waiting = PendingDeadLetters(10)
    waiting.add(place(1), (ID, DOMAIN))

    waiting.remove(place(1))
    waiting.remove(place(1))
    waiting.remove(place(7))

    assert (len(waiting), waiting.waiting_for([ID, DOMAIN])) == (0, {})


def test_a_dead_letter_without_a_claim_is_not_kept() -> None:
    """No account could ever place it, so it would only take room."""
    waiting = PendingDeadLetters(10)

    waiting.add(place(1), ())

    assert len(waiting) == 0


def test_the_newest_dead_letters_are_kept() -> None:
    """At the bound one goes for each that comes; read again, a dead letter is not a new one."""
    waiting = PendingDeadLetters(3)
    for offset in (1, 2, 3, 3, 4):
        waiting.add(place(offset), (ID,))

    assert list(waiting.waiting_for([ID])) == [place(2), place(3), place(4)]
    assert (len(waiting), waiting.forgotten) == (3, 1)
