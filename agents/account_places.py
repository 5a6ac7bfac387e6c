"""Which partition of the account log an account has its place in; every producer of the log must agree."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from aiokafka.partitioner import murmur2

MOST_REMEMBERED: Final = 100_000
"""Accounts whose place is kept, some 20 MB; ids are the senders' choice, so their number has no bound."""


def account_places(partitions: int) -> Callable[[str], tuple[int, bytes]]:
    """
    Make the function that gives an account's partition, of *partitions*, and its key.

    murmur2 is Python code and accounts repeat, so the last ``MOST_REMEMBERED`` answers are kept.
    """

    @lru_cache(MOST_REMEMBERED)
    def place_of(account_id: str) -> tuple[int, bytes]:
        key = account_id.encode()
        return (murmur2(key) & 0x7FFFFFFF) % partitions, key

    return place_of
