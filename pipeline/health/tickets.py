"""The support tickets of one account: what is open, since when, and how many came, escalated and reopened."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pipeline.health.events import SupportTicket, TicketSeverity, TicketStep
from pipeline.health.lifecycle import Lifecycle, StepKey
from pipeline.health.windows import DAY, HOUR, Ring, day_of, week_of

STEPS: tuple[TicketStep, ...] = ("UNKNOWN", "OPENED", "REPLIED", "ESCALATED", "SOLVED", "REOPENED", "CLOSED")
"""By rank, as in the wire schema."""

SEVERITIES: tuple[TicketSeverity, ...] = ("UNKNOWN", "P1", "P2", "P3", "P4")
P1 = SEVERITIES.index("P1")

MAX_OPEN, MAX_CLOSED = 500, 64
REMEMBER_CLOSED_DAYS = 35
REMEMBER_OPEN_DAYS = 120
"""An open ticket without a step for so long is taken for one whose end the source never told."""

_RANK = {step: rank for rank, step in enumerate(STEPS)}
_SEVERITY = {severity: number for number, severity in enumerate(SEVERITIES)}
DONE: tuple[TicketStep, ...] = ("SOLVED", "CLOSED")
"""After these nobody has to solve it any more."""

_MOST_SOLUTIONS = 8  # a source that solves one ticket more often without reopening it repeats itself
_OPEN_RANKS = frozenset({_RANK["OPENED"], _RANK["REPLIED"], _RANK["ESCALATED"], _RANK["REOPENED"]})


@dataclass(slots=True)
class Ticket:
    """
    One ticket. *severity* is a place in ``SEVERITIES``; a time of 0 means it has not happened.

    *opened_at* is the earliest step known; *counted* once the opening itself was heard of. *solved* are the
    times of the solutions and closings since the last reopening, earliest first: a help desk closes days
    after it has solved.
    """

    key: StepKey
    severity: int
    opened_at: int
    replied_at: int = 0
    reopened_at: int = 0
    counted: bool = False
    solved: tuple[int, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to solve it."""
        return self.key[1] in _OPEN_RANKS

    @property
    def solved_at(self) -> int:
        """When a ticket that is not open was solved; its last step where no solution is known."""
        return self.solved[0] if self.solved else self.key[0]

    def late_after(self, limits: Sequence[int]) -> int:
        """
        When the time for a solution ends: *limits*, in ms for P1 to P4, after the opening or the last
        reopening.

        0 where the severity is unknown and promises nothing.
        """
        if not self.severity:
            return 0
        begun = max(self.opened_at, self.reopened_at)
        return begun + limits[self.severity - 1]


class Usual(NamedTuple):
    """
    Tickets in 30 days, and logins a week, over *weeks* weeks up to *last*.

    They change once a week, and when something late is heard.
    """

    last: int
    weeks: int
    tickets: float
    logins: float


class SolvedLate(NamedTuple):
    """What ``Tickets.solved_late`` found by *limits*; it holds until a ticket changes."""

    limits: Sequence[int]
    tickets: list[tuple[int, int]]


class Tickets:
    """
    The lifecycles of an account's tickets, and the counts per day and week of what happened to them.

    Not stored are *usual*, what the support component last made of whole weeks, and what ``solved_late`` last
    found.
    """

    __slots__ = (
        "_solved_late",
        "escalated",
        "last_step_at",
        "lifecycle",
        "opened",
        "opened_weeks",
        "reopened",
        "usual",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lifecycle: Lifecycle[Ticket] = Lifecycle(MAX_OPEN, MAX_CLOSED)
        self.opened = Ring(64, "B")
        self.opened_weeks = Ring(57, "H")
        self.escalated = Ring(32, "B")
        self.reopened = Ring(32, "B")
        self.last_step_at = 0
        self.usual: Usual | None = None
        self._solved_late: SolvedLate | None = None

    def apply(self, event: SupportTicket) -> bool:
        """Note a step; False when it is older than what is remembered, or of a kind not known here."""
        at, rank = event.occurred_at, _RANK[event.step]
        ticket = self.lifecycle.find(event.ticket_id)
        if not rank or (ticket is None and at <= self.lifecycle.forgotten_at):
            return False
        key = (at, rank, event.event_id)
        if ticket is None:
            ticket = Ticket(key, _SEVERITY[event.severity], at)
        elif key > ticket.key:
            ticket.key, ticket.severity = key, _SEVERITY[event.severity]
        self._count(ticket, event.step, at)
        self.lifecycle.place(event.ticket_id, ticket)
        self.last_step_at = max(self.last_step_at, at)
        self.usual = self._solved_late = None
        return True

    def forget(self, day: int) -> None:
        """Drop, on *day*, what has seen no step for too long."""
        if self.lifecycle.forget((day - REMEMBER_OPEN_DAYS) * DAY, (day - REMEMBER_CLOSED_DAYS) * DAY):
            self._solved_late = None

    def solved_late(self, limits: Sequence[int]) -> list[tuple[int, int]]:
        """When each closed ticket that is remembered and was late was solved, ms UTC, and its severity."""
        known = self._solved_late
        if known is None or known.limits != limits:
            late = [
                (ticket.solved_at, ticket.severity)
                for ticket in self.lifecycle.closed.values()
                if 0 < ticket.late_after(limits) < ticket.solved_at
            ]
            known = self._solved_late = SolvedLate(limits, late)
        return known.tickets

    def _count(self, ticket: Ticket, step: TicketStep, at: int) -> None:
        counted, opened_at = ticket.counted, ticket.opened_at
        ticket.opened_at = min(opened_at, at)
        if step == "OPENED":
            ticket.counted = True
        elif step == "REPLIED":
            ticket.replied_at = min(ticket.replied_at or at, at)
        elif step == "ESCALATED":
            self.escalated.add(day_of(at))
        elif step == "REOPENED":
            ticket.reopened_at = max(ticket.reopened_at, at)
            ticket.solved = tuple([solved for solved in ticket.solved if solved > ticket.reopened_at])
            self.reopened.add(day_of(at))
        elif step in DONE and at > ticket.reopened_at:
            ticket.solved = tuple(sorted({*ticket.solved, at})[:_MOST_SOLUTIONS])
        if counted and ticket.opened_at < opened_at:
            self._count_opening(opened_at, -1)
        if ticket.counted and not (counted and ticket.opened_at == opened_at):
            self._count_opening(ticket.opened_at, 1)

    def _count_opening(self, at: int, count: int) -> None:
        day = day_of(at)
        self.opened.add(day, count)
        self.opened_weeks.add(week_of(day), count)


@lru_cache(64)
def solve_limits(solve_hours: tuple[float, ...]) -> tuple[int, ...]:
    """Time for a solution in ms, P1 to P4, from a scorecard's hours."""
    return tuple(round(hours * HOUR) for hours in solve_hours)
