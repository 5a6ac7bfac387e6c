"""The tickets an account opens and how they fare."""

from collections.abc import Iterator
from math import exp
from random import Random

from pipeline.health.events import TicketSeverity, TicketStep
from pipeline.simulate.clock import DAY, HOUR, MINUTE
from pipeline.simulate.facts import Fact
from pipeline.simulate.habits import Habits
from pipeline.simulate.places import is_office_day
from pipeline.simulate.profile import Profile

_SEVERITIES: tuple[TicketSeverity, ...] = ("P1", "P2", "P3", "P4")
# What customers expect of the help desk: first reply and solution by severity, in ms.
_REPLY = {"P1": 15 * MINUTE, "P2": HOUR, "P3": 4 * HOUR, "P4": 8 * HOUR}
_SOLUTION = {"P1": 4 * HOUR, "P2": 8 * HOUR, "P3": 24 * HOUR, "P4": 72 * HOUR}
_CATEGORIES = ("how-to", "data", "performance", "access", "export")
_CLOSED_AFTER = 3 * DAY


def ticket_step(
    profile: Profile,
    ticket: str,
    step: TicketStep,
    severity: TicketSeverity,
    at: int,
    *,
    requester: int,
    delay: int | None = None,
) -> Fact:
    """One step of the ticket that *ticket* names within its account."""
    return Fact(
        type="support_ticket",
        event_id=f"{profile.prefix}-t{ticket}-{step.lower()}-{at:x}",
        occurred_at=at,
        fields={
            "ticket_id": f"{profile.prefix}-{ticket}",
            "step": step,
            "severity": severity,
            "category": _CATEGORIES[at // 11 % 5],
            "requester": f"z-{profile.prefix}-{requester}",
        },
        person=requester,
        delay=delay,
    )


def tickets(profile: Profile, habits: Habits, day: int, rng: Random) -> Iterator[Fact]:
    """Every step, soon or later, of the tickets opened on local *day*; none open on weekends and holidays."""
    if not is_office_day(profile.place, day):
        return
    for number in range(_poisson(habits.tickets / 5, rng)):
        at = day * DAY + (8 - profile.place.utc_hours) * HOUR + rng.randrange(9 * HOUR)
        yield from _life(profile, habits, f"{day:x}.{number}", at, rng)


def _life(profile: Profile, habits: Habits, ticket: str, at: int, rng: Random) -> Iterator[Fact]:
    severity = rng.choices(_SEVERITIES, habits.urgency)[0]
    requester = rng.randrange(habits.people)

    def step(name: TicketStep, moment: int) -> Fact:
        return ticket_step(profile, ticket, name, severity, moment, requester=requester)

    def spent(allowed: int) -> int:
        return int(allowed * habits.answer_pace * rng.uniform(0.5, 1.5))

    yield step("OPENED", at)
    replied = at + spent(_REPLY[severity])
    yield step("REPLIED", replied)
    solved = max(at + spent(_SOLUTION[severity]), replied + 5 * MINUTE)
    if rng.random() < habits.trouble:
        yield step("ESCALATED", (replied + solved) // 2)
    yield step("SOLVED", solved)
    if rng.random() < habits.trouble:
        reopened = solved + rng.randrange(2 * HOUR, DAY)
        yield step("REOPENED", reopened)
        solved = reopened + spent(_SOLUTION[severity])
        yield step("SOLVED", solved)
    yield step("CLOSED", solved + _CLOSED_AFTER)


def _poisson(mean: float, rng: Random) -> int:
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count
