"""What a sign is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.outputs import Evidence, Severity
from pipeline.health.scorecard import Scorecard
from pipeline.health.standing import Alert


class Finding(NamedTuple):
    """
    A sign that shows. *severity* is before the step for a near renewal.

    *due_at* is the moment a silence or a hold became due, None if an event caused it. *occurred_at* and *observed_at*
    are those of the last event that contributed, None if there was none.
    """

    severity: Severity
    reason: str
    evidence: tuple[Evidence, ...]
    play: str
    due_at: int | None
    occurred_at: int | None
    observed_at: int | None


@dataclass(frozen=True, slots=True)
class Sign:
    """
    A detector over an account's state.

    *detect* takes the state, the time (``state.as_of``), the scorecard, the open alert of this sign, None if there is none,
    and the components that other open signs explain; what it finds opens the alert or keeps it open, None
    resolves it. *recovered* says in a sentence why it resolved. *explains* are the components whose loss of points this sign
    accounts for.
    """

    name: str
    explains: tuple[str, ...]
    detect: Callable[[AccountState, int, Scorecard, Alert | None, tuple[str, ...]], Finding | None]
    recovered: Callable[[AccountState, int, Scorecard], str]
