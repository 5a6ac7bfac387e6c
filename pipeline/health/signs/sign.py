"""What a sign is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from pipeline.health.account import AccountState
from pipeline.health.derived_state import Alert
from pipeline.health.dirty import NOTHING
from pipeline.health.outputs import Evidence, Severity
from pipeline.health.scorecard import Scorecard

N = TypeVar("N")
"""The numbers of a sign: its table of a scorecard."""


class Finding(NamedTuple):
    """
    A sign that shows. *severity* is before the step for a near renewal.

    *due_at* is the moment a silence or a hold became due, None if an event caused it. *occurred_at* and
    *observed_at* are those of the last event that contributed, None if there was none.
    """

    severity: Severity
    reason: str
    evidence: tuple[Evidence, ...]
    play: str
    due_at: int | None
    occurred_at: int | None
    observed_at: int | None


def never(_state: AccountState, _numbers: object) -> int:
    """Next due moment of a sign that only events can show."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign(Generic[N]):
    """
    A detector over an account's state.

    *numbers* takes the sign's table out of a scorecard, None where the scorecard has none: there the sign is
    off. *explains* are the components whose loss of points this sign accounts for.

    *detect* takes the state, the scorecard, the numbers, the open alert of this sign, None if there is none,
    and the components that other open signs explain; it judges as of ``state.as_of``. What it finds opens the
    alert or keeps it open, None resolves it. *recovered* says in a sentence why it resolved.

    It is judged whenever the score, a component or the band moves, at every timer and new day, and after
    every event while an alert of the account is open. *looks_at* are the bits of ``dirty`` after which it is
    judged though nothing of that moved. *next_due* takes the state and the numbers, and says when the sign
    may show though nothing happens, in ms UTC, 0 or a time that has passed if never.
    """

    name: str
    numbers: Callable[[Scorecard], N | None]
    explains: tuple[str, ...] = ()
    detect: Callable[[AccountState, Scorecard, N, Alert | None, tuple[str, ...]], Finding | None]
    recovered: Callable[[AccountState], str]
    looks_at: int = NOTHING
    next_due: Callable[[AccountState, N], int] = never
