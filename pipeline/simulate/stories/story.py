"""What a story is."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.simulate.habits import Life


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    A turn in an account's life and what the pipeline owes it.

    *tell* turns a usual life into this one from a local day on. *signs* are the signs of which one must open between
    that day and *days* later; none means the turn is harmless and nothing may open. *share* of the accounts live it.
    """

    name: str
    tell: Callable[[Life, int, Random], Life]
    days: int
    signs: frozenset[str] = frozenset()
    share: float = 0.025
