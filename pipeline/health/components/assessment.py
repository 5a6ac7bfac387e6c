"""What a component is, and what it says of an account."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.scorecard import Scorecard


class Assessment(NamedTuple):
    """
    One component's word on an account.

    *score* is 0 to 100, None if unknown. *reason* is one sentence a CSM can act on. *fresh_until* is when the
    score stops counting unless something new is heard, None if never. *look_again_at* is when it changes
    though nothing happens, 0 if only the passing of days changes it.
    """

    score: float | None
    reason: str
    fresh_until: int | None = None
    look_again_at: int = 0


NOT_ASSESSED: Final = Assessment(None, "")
"""What stands for a component that the scorecard leaves off."""


@dataclass(frozen=True, slots=True)
class Component:
    """
    A part of the score.

    *looks_at* are the bits of ``dirty`` after which it is assessed again; it is assessed anyway on every new
    day and at ``look_again_at``. *assess* takes the state, the time (``state.as_of``) and the scorecard.
    Deadlines have passed when they are not after ``state.watermark``.
    """

    name: str
    looks_at: int
    assess: Callable[[AccountState, int, Scorecard], Assessment]


@lru_cache(4096)  # a day of an account asks for five, nearly always known ones
def count(number: float, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 ticket``, ``2.5 days``, ``1,234,567 seats``."""
    digits = f"{number:g}" if number < 1_000_000 else f"{number:,.0f}"
    return f"{digits} {one if number == 1 else many or one + 's'}"


def duration(ms: int) -> str:
    """
    A length of time as people say it: ``12 min``, ``5 h 10 min``, ``3 days``; ``0 min`` for one below 0.
    """
    minutes = max(0, ms // 60_000)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return count(minutes // 1440, "day")
