"""The newest event ids of one account, as hashes: what drops an event its source sent twice."""

from hashlib import blake2b

from pipeline.health.events import Event

HASH_SIZE = 8
SEEN_IDS = 128
"""Events of one account among which a duplicate is found; one that comes later counts again."""


class SeenIds:
    """
    A ring of eight-byte hashes, oldest overwritten first.

    Two ids share a hash once in 2**64 / 128 events, about 10**17.
    """

    __slots__ = ("hashes", "next_slot")

    def __init__(self) -> None:
        self.hashes = bytearray()
        self.next_slot = 0

    def holds(self, event_hash: bytes) -> bool:
        """Whether an id with this hash is remembered."""
        hashes = self.hashes
        at = hashes.find(event_hash)
        while at >= 0:
            if at % HASH_SIZE == 0:
                return True
            at = hashes.find(event_hash, at + 1)  # across two hashes: no match
        return False

    def remember(self, event_hash: bytes) -> None:
        """Keep a hash, in the place of the oldest once there are ``SEEN_IDS``."""
        hashes = self.hashes
        if len(hashes) < SEEN_IDS * HASH_SIZE:
            hashes += event_hash
            return
        at = self.next_slot * HASH_SIZE
        hashes[at : at + HASH_SIZE] = event_hash
        self.next_slot = (self.next_slot + 1) % SEEN_IDS


def hash_of(event: Event) -> bytes:
    """
    What an event is remembered by.

    Sources number their events alone: the event's *input* keeps those of two inputs apart, its *subject*
    those of two systems in one.
    """
    return blake2b((event.input + event.event_id).encode() + event.subject, digest_size=HASH_SIZE).digest()
