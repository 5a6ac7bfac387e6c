"""What a story is."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.simulate.habits import Life


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    A turn in an account's life and what the pipeline owes it.

    *tell* turns a usual life into this one from a local day on. Within *days* of it *component* must lose
    points, and one of *signs* must open; a story that has neither is harmless, and nothing may open. A
    trouble that has a component and no sign is one that shows in the score alone. Before it the account lives
    *warm_up* days as usual, so that there is a usual to compare with. *share* of the accounts live it.
    """

    name: str
    tell: Callable[[Life, int, Random], Life]
    days: int
    component: str | None = None
    signs: frozenset[str] = frozenset()
    warm_up: int = 56
    share: float = 0.025
