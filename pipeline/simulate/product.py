"""Who signs in to the product on a day."""

from collections.abc import Iterator
from random import Random

from pipeline.health.events import Role
from pipeline.simulate.clock import DAY, HOUR
from pipeline.simulate.facts import Fact
from pipeline.simulate.habits import Habits
from pipeline.simulate.places import is_office_day
from pipeline.simulate.profile import Profile

_CHANCES: dict[Role, float] = {"EXECUTIVE": 0.15, "CHAMPION": 0.85, "ADMIN": 0.5}
_FEATURES = ("reports", "search", "export", "dashboards", "planning", None)


def visit_chances(profile: Profile, people: int) -> list[float]:
    """
    Chance that a person signs in on an office day, by person number; users come every fourth to twelfth day.
    """
    return [
        _CHANCES.get(profile.role(person)) or 0.08 + 0.17 * (person * 37 % 100) / 100
        for person in range(people)
    ]


def login(
    profile: Profile, person: int, at: int, *, by_address: bool = False, delay: int | None = None
) -> Fact:
    """One sign-in of *person* at *at*; a person and a time name it."""
    role = profile.role(person)
    # The way in and the feature follow from the time of day, which is random enough.
    lot = at // 7 % 20
    return Fact(
        type="login",
        event_id=f"{profile.prefix}-v{at:x}-{person}",
        occurred_at=at,
        fields={
            "user_id": profile.address(person) if by_address else f"u-{profile.prefix}-{person}",
            "channel": "WEB" if lot < 14 else "MOBILE" if lot < 19 else "API",
            "feature": _FEATURES[lot % 6],
            "role": role if profile.says_roles else "UNKNOWN",
        },
        person=person,
        delay=delay,
    )


def visits(profile: Profile, habits: Habits, chances: list[float], day: int, rng: Random) -> Iterator[Fact]:
    """The sign-ins of local *day*, most of them around the middle of the office hours, 8 to 18."""
    share = habits.visits * (1.0 if is_office_day(profile.place, day) else profile.weekend_visits)
    if share <= 0:
        return
    roll = rng.random
    opening = day * DAY + (8 - profile.place.utc_hours) * HOUR
    for person in [number for number, chance in enumerate(chances) if roll() < chance * share]:
        if person not in habits.away:
            at = opening + int((roll() + roll()) * 5 * HOUR)
            yield login(profile, person, at, by_address=habits.by_address)
