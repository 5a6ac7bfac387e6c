"""The newest event ids of one account, as hashes: what drops an event its source sent twice."""

from hashlib import blake2b

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

    def add(self, kind: str, event_id: str, subject: bytes) -> bool:
        """
        Remember an id; False when it is there already.

        Sources number their events alone: *kind* keeps those of two inputs apart, *subject*, whom or what the event is about,
        those of two systems in one.
        """
        seen = blake2b((kind + event_id).encode() + subject, digest_size=HASH_SIZE).digest()
        hashes = self.hashes
        at = hashes.find(seen)
        while at >= 0:
            if at % HASH_SIZE == 0:
                return False
            at = hashes.find(seen, at + 1)  # across two hashes: no match
        if len(hashes) < SEEN_IDS * HASH_SIZE:
            hashes += seen
            return True
        at = self.next_slot * HASH_SIZE
        hashes[at : at + HASH_SIZE] = seen
        self.next_slot = (self.next_slot + 1) % SEEN_IDS
        return True
