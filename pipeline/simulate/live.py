"""
The stories of the demo's live minutes.

Each is laid so that its cause, or the moment at which something is due, comes at one time soon after the demo goes
live. No time is bent: what must have happened four hours before has happened four hours before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.health.events import Segment
from pipeline.simulate.billing import invoice_step
from pipeline.simulate.clock import DAY, HOUR, MINUTE, SECOND
from pipeline.simulate.habits import Life, Update
from pipeline.simulate.product import login
from pipeline.simulate.profile import people_with
from pipeline.simulate.stories.relations import notice
from pipeline.simulate.support import ticket_step
from pipeline.simulate.surveys import survey_step

AsksWhenDark = Callable[[Life], int]
"""Tells when an account counts as dark if nobody signs in after the last login of its life, ms UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStory:
    """
    A story whose moment comes *seconds* after the demo goes live.

    One of *signs* must open then; none: nothing may. *segment* and *seats* are those of the account that lives it.
    *lay* turns its usual life into the story with the moment at a time in ms UTC.
    """

    name: str
    seconds: int
    lay: Callable[[Life, int, AsksWhenDark], Life]
    segment: Segment
    seats: int
    signs: frozenset[str] = frozenset()


def gives_notice(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """Notice of cancellation arrives from the CRM."""
    return life.also(updates=(Update(at=at, changes=notice(at // DAY), delay=0),))


def goes_dark(life: Life, at: int, when_dark: AsksWhenDark) -> Life:
    """
    The last login lies back so far that the account's own rhythm allows the silence until *at* and no longer.

    How long that is depends on the days before the last login, hence on when that was: it is tried until it fits.
    """
    allowed = 7 * DAY
    for _ in range(10):
        silent = _silent_after(life, at - allowed)
        found = when_dark(silent) - (at - allowed)
        if found == allowed:
            return silent
        allowed = found
    raise ValueError(f"{life.profile.account_id} has no steady rhythm to go dark by: take another seed")


def _silent_after(life: Life, last: int) -> Life:
    champion = people_with(life.profile, "CHAMPION")[0]
    local_day = (last + life.profile.place.utc_hours * HOUR) // DAY
    return life.turning(local_day, visits=0.0, tickets=0.0).also(
        facts=(login(life.profile, champion, last, delay=0),)
    )


def returns(life: Life, at: int, when_dark: AsksWhenDark) -> Life:
    """Went dark an hour ago, and now its people sign in again."""
    life = goes_dark(life, at - HOUR, when_dark)
    people = range(life.phases[0].habits.people)
    return life.also(
        facts=tuple(login(life.profile, person, at + 700 * person, delay=300) for person in people)
    )


def waits_too_long(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """A P1 ticket, answered in time and not solved, reaches the four hours it was promised within."""
    opened = at - 4 * HOUR
    steps = (
        ticket_step(life.profile, "live", "OPENED", "P1", opened, requester=0, delay=SECOND),
        ticket_step(life.profile, "live", "REPLIED", "P1", opened + 9 * MINUTE, requester=0, delay=SECOND),
    )
    return life.also(facts=steps)


def speaks_out(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """All decision-makers answer the survey of this morning, and none of them would recommend the product."""
    profile = life.profile
    deciders = people_with(profile, "EXECUTIVE") + people_with(profile, "CHAMPION")
    facts = []
    for number, person in enumerate(deciders):
        survey, answered = f"live.{number}", at + number * SECOND
        facts.append(survey_step(profile, survey, "SENT", at - DAY, respondent=person, delay=0))
        facts.append(
            survey_step(profile, survey, "ANSWERED", answered, respondent=person, score=number % 2, delay=0)
        )
    return life.also(facts=tuple(facts))


def contests(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """An invoice issued three weeks ago is disputed."""
    profile = life.profile
    issued_on = at // DAY - 21
    issued = issued_on * DAY + 9 * HOUR
    cmrr = profile.cmrr
    return life.also(
        facts=(
            invoice_step(profile, "ISSUED", issued, issued_on=issued_on, cmrr=cmrr, delay=SECOND),
            invoice_step(profile, "DISPUTED", at, issued_on=issued_on, cmrr=cmrr, delay=0),
        )
    )


LIVE_STORIES = (
    LiveStory(
        name="leaving", seconds=6, lay=gives_notice, segment="MID", seats=48, signs=frozenset({"band"})
    ),
    LiveStory(
        name="went_dark", seconds=20, lay=goes_dark, segment="MID", seats=30, signs=frozenset({"went_dark"})
    ),
    LiveStory(
        name="p1_beyond_sla",
        seconds=30,
        lay=waits_too_long,
        segment="ENTERPRISE",
        seats=120,
        signs=frozenset({"band"}),
    ),
    LiveStory(
        name="unhappy_executives",
        seconds=45,
        lay=speaks_out,
        segment="MID",
        seats=60,
        signs=frozenset({"score_drop"}),
    ),
)
