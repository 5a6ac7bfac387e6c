"""
How an account lives, as numbers that a story may change from a day on; how the numbers become events is
elsewhere.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pipeline.health.events import Role
from pipeline.simulate.facts import Fact
from pipeline.simulate.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """
    An account's ways between two turns of its story.

    people        how many of its people use the product at all
    visits        factor on every person's visits; 1 is usual, 0 silent
    away          people (by number) who do not come any more
    by_address    users are named by their address, as after a change of sign-on, instead of by a number
    tickets       tickets opened in a week
    urgency       shares of P1, P2, P3, P4 among them
    answer_pace   time to reply and to solve, as a share of what the severity allows
    trouble       share of tickets that are escalated, and of those solved that are reopened
    pays_after    days from the due date to the payment, negative before it; None: does not pay
    card_fails    share of invoices whose first collection fails and succeeds a day later
    mood          mean NPS answer of its people
    decider_mood  mean NPS answer of its executives and champions
    answer_rate   share of surveys answered
    """

    people: int
    visits: float = 1.0
    away: frozenset[int] = frozenset()
    by_address: bool = False
    tickets: float = 0.3
    urgency: tuple[float, float, float, float] = (0.01, 0.1, 0.55, 0.34)
    answer_pace: float = 0.4
    trouble: float = 0.02
    pays_after: int | None = -4
    card_fails: float = 0.0
    mood: float = 8.8
    decider_mood: float = 9.0
    answer_rate: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """*habits* hold from local day *from_day* on, until the next phase."""

    from_day: int
    habits: Habits


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """At *at* (ms UTC) the CRM changes these fields of the account's record, for good."""

    at: int
    changes: dict[str, Any]
    delay: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """
    What will happen to one account: phases in order of their days, single facts and CRM changes beside them.

    The first phase holds from the beginning. Before ``profile.start_day`` the account does not exist.
    """

    profile: Profile
    phases: tuple[Phase, ...]
    facts: tuple[Fact, ...] = ()
    updates: tuple[Update, ...] = ()

    def habits_on(self, day: int) -> Habits:
        """The habits active on local *day*."""
        habits = self.phases[0].habits
        for phase in self.phases[1:]:
            if phase.from_day > day:
                break
            habits = phase.habits
        return habits

    def turning(self, from_day: int, **changes: Any) -> "Life":
        """This life with one more phase: what the last one says, changed."""
        habits = replace(self.phases[-1].habits, **changes)
        return replace(self, phases=(*self.phases, Phase(from_day=from_day, habits=habits)))

    def also(self, *, facts: tuple[Fact, ...] = (), updates: tuple[Update, ...] = ()) -> "Life":
        """This life with more single facts or CRM changes."""
        return replace(self, facts=self.facts + facts, updates=self.updates + updates)


def usual_life(profile: Profile, rng: Random) -> Life:
    """An account without a story."""
    habits = Habits(
        people=max(2, round(profile.seats * rng.uniform(0.84, 1.0))),
        # Larger customers ask more, but not in proportion: 0.3 a week at 5 seats, 9 at 5,000.
        tickets=rng.uniform(0.08, 0.18) * profile.seats**0.5,
        answer_pace=rng.uniform(0.25, 0.55),
        pays_after=rng.randrange(-10, 0),
        card_fails=0.03 if profile.segment == "SMALL" else 0.0,
        mood=rng.uniform(8.4, 9.4),
        decider_mood=rng.uniform(8.6, 9.6),
        answer_rate=rng.uniform(0.35, 0.7),
    )
    return Life(profile=profile, phases=(Phase(from_day=0, habits=habits),))


def role_mood(habits: Habits, role: Role) -> float:
    """Mean NPS answer of people in *role*."""
    return habits.decider_mood if role in {"EXECUTIVE", "CHAMPION"} else habits.mood
