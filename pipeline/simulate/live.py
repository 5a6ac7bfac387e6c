"""
The stories of the demo's live minutes.

Each is laid so that its cause, or the moment at which something is due, comes at one time soon after the demo
goes live. No time is bent: what must have happened four hours before has happened four hours before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from pipeline.health.events import Segment, TicketSeverity, TicketStep
from pipeline.simulate.billing import invoice_step, terms_days
from pipeline.simulate.clock import DAY, HOUR, MINUTE, SECOND
from pipeline.simulate.facts import Fact
from pipeline.simulate.habits import Life, Update
from pipeline.simulate.product import login
from pipeline.simulate.profile import Profile, people_with
from pipeline.simulate.stories.relations import notice
from pipeline.simulate.support import ticket_step
from pipeline.simulate.surveys import survey_step

_AWAY = 60 * SECOND
"""How long after it counted as dark the silent account returns."""

AsksWhenDark = Callable[[Life], int]
"""Tells when an account counts as dark if nobody signs in after the last login of its life, ms UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStory:
    """
    A story whose moment comes *seconds* after the demo goes live.

    One of *signs* must open then; none: nothing may. *segment* and *seats* are those of the account that
    lives it. *lay* turns its usual life into the story with the moment at a time in ms UTC.
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
    The last login lies back so far that the account's own rhythm allows the silence until *at*; soon after,
    they return.

    How long that is depends on the days before the last login, hence on when that was: it is tried until it
    fits.
    """
    allowed = 7 * DAY
    for _ in range(10):
        silent = _silent_after(life, at - allowed)
        found = when_dark(silent) - (at - allowed)
        if found == allowed:
            return silent.also(facts=tuple(_return(life, at + _AWAY)))
        allowed = found
    raise ValueError(f"{life.profile.account_id} has no steady rhythm to go dark by: take another seed")


def _silent_after(life: Life, last: int) -> Life:
    champion = people_with(life.profile, "CHAMPION")[0]
    local_day = (last + life.profile.place.utc_hours * HOUR) // DAY
    return life.turning(local_day, visits=0.0, tickets=0.0).also(
        facts=(login(life.profile, champion, last, delay=0),)
    )


def _return(life: Life, at: int) -> Iterator[Fact]:
    for place, person in enumerate(range(0, life.phases[0].habits.people, 3)):
        yield login(life.profile, person, at + 800 * place, delay=300)


def waits_too_long(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """
    A P1 ticket, answered in time and not solved, reaches the end of the four hours it was promised within.
    """
    return life.also(facts=tuple(_unsolved(life.profile, "P1", at - 4 * HOUR)))


def speaks_out(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """
    After a bad week all decision-makers answer yesterday's survey, and none of them would recommend the
    product.
    """
    profile = life.profile
    facts = list(_bad_week(profile, at))
    for number, person in enumerate(people_with(profile, "EXECUTIVE") + people_with(profile, "CHAMPION")):
        survey, answered = f"live.{number}", at + number * SECOND
        answer = survey_step(
            profile, survey, "ANSWERED", answered, respondent=person, score=number % 2, delay=0
        )
        facts.append(survey_step(profile, survey, "SENT", at - DAY, respondent=person, delay=0))
        facts.append(answer)
        # The survey tool sends everything twice today; that makes nobody twice as unhappy.
        facts.append(replace(answer, delay=15 * SECOND))
    return life.also(facts=tuple(facts))


def contests(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """After a bad week the two invoices that are open, one of them six days past due, are disputed."""
    profile = life.profile
    facts = list(_bad_week(profile, at))
    today = at // DAY
    for issued_on in (today - terms_days(profile) - 6, today - 3):
        step = partial(invoice_step, profile, issued_on=issued_on, cmrr=profile.cmrr, delay=0)
        facts += [step("ISSUED", issued_on * DAY + 5 * HOUR), step("DISPUTED", at)]
    return life.also(facts=tuple(facts))


def one_is_angry(life: Life, at: int, _when_dark: AsksWhenDark) -> Life:
    """One user, no decision-maker, answers a survey in anger: no reason to call anybody."""
    person = life.phases[0].habits.people - 1
    sent = survey_step(life.profile, "live", "SENT", at - DAY, respondent=person, delay=0)
    answer = survey_step(life.profile, "live", "ANSWERED", at, respondent=person, score=1, delay=0)
    return life.also(facts=(sent, answer))


def _bad_week(profile: Profile, at: int) -> Iterator[Fact]:
    """
    A P2 ticket of four days ago, solved, reopened two days ago, escalated a day later, and not solved again.
    """
    opened = at - 4 * DAY
    yield from _unsolved(profile, "P2", opened)
    later_steps: tuple[tuple[TicketStep, int], ...] = (
        ("SOLVED", 5 * HOUR),
        ("REOPENED", 2 * DAY),
        ("ESCALATED", 3 * DAY),
    )
    for step, later in later_steps:
        yield ticket_step(profile, "live", step, "P2", opened + later, requester=0, delay=SECOND)


def _unsolved(profile: Profile, severity: TicketSeverity, opened: int) -> Iterator[Fact]:
    yield ticket_step(profile, "live", "OPENED", severity, opened, requester=0, delay=SECOND)
    yield ticket_step(profile, "live", "REPLIED", severity, opened + 9 * MINUTE, requester=0, delay=SECOND)


_HARD = frozenset({"band"})
_DROP = frozenset({"score_drop"})

LIVE_STORIES = (
    LiveStory(name="gives_notice", seconds=6, lay=gives_notice, segment="MID", seats=28, signs=_HARD),
    LiveStory(
        name="goes_dark", seconds=20, lay=goes_dark, segment="MID", seats=30, signs=frozenset({"went_dark"})
    ),
    LiveStory(name="p1_beyond_sla", seconds=30, lay=waits_too_long, segment="MID", seats=24, signs=_HARD),
    LiveStory(name="one_is_angry", seconds=37, lay=one_is_angry, segment="MID", seats=20),
    LiveStory(name="speaks_out", seconds=45, lay=speaks_out, segment="ENTERPRISE", seats=200, signs=_DROP),
    LiveStory(name="contests", seconds=60, lay=contests, segment="SMALL", seats=9, signs=_DROP),
)
"""In the order of their moments."""
