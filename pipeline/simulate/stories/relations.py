"""Stories told by the help desk, the invoices, the surveys and the contract."""

from dataclasses import replace
from decimal import Decimal
from random import Random

from pipeline.simulate.billing import invoice_step, terms_days
from pipeline.simulate.clock import DAY, HOUR, date_text, to_date
from pipeline.simulate.habits import Life, Update
from pipeline.simulate.profile import people_with
from pipeline.simulate.surveys import survey_step


def quality_trouble(life: Life, onset: int, _rng: Random) -> Life:
    """Six times the tickets for four weeks: urgent ones, answered late, escalated and reopened."""
    usual = life.phases[-1].habits
    life = life.turning(
        onset,
        tickets=max(5.0, 6 * usual.tickets),
        urgency=(0.15, 0.4, 0.35, 0.1),
        answer_pace=1.8,
        trouble=0.35,
    )
    return life.turning(
        onset + 28,
        tickets=usual.tickets,
        urgency=usual.urgency,
        answer_pace=usual.answer_pace,
        trouble=usual.trouble,
    )


def stops_paying(life: Life, onset: int, _rng: Random) -> Life:
    """An invoice that is due now is not paid, and none after it."""
    profile = life.profile
    issued_on = onset - terms_days(profile)
    overdue_at = (onset + 1) * DAY + 6 * HOUR
    facts = (
        invoice_step(profile, "ISSUED", issued_on * DAY + 5 * HOUR, issued_on=issued_on, cmrr=profile.cmrr),
        invoice_step(profile, "OVERDUE", overdue_at, issued_on=issued_on, cmrr=profile.cmrr),
    )
    return life.turning(onset, pays_after=None).also(facts=facts)


def unhappy_executive(life: Life, onset: int, rng: Random) -> Life:
    """The decision-makers say so within days, and go on saying it; the others are content."""
    profile = life.profile
    deciders = people_with(profile, "EXECUTIVE") + people_with(profile, "CHAMPION")
    facts = []
    for number, person in enumerate(deciders[:3]):
        sent = (onset + number) * DAY + (9 - profile.place.utc_hours) * HOUR
        survey = f"x{onset:x}.{number}"
        answered = sent + rng.randrange(HOUR, 8 * HOUR)
        facts.append(survey_step(profile, survey, "SENT", sent, respondent=person))
        facts.append(
            survey_step(profile, survey, "ANSWERED", answered, respondent=person, score=rng.randrange(3))
        )
    return life.turning(onset, decider_mood=1.5, answer_rate=0.8).also(facts=tuple(facts))


def shrinking(life: Life, onset: int, _rng: Random) -> Life:
    """
    With the next invoice a third of the seats and of the money goes back, and a third of the people with it.
    """
    billed = to_date(onset)
    profile = replace(life.profile, billing_day=min(billed.day, 28), billing_month=billed.month)
    day = onset - billed.day + profile.billing_day
    cmrr = (profile.cmrr * 2 / 3).quantize(Decimal("0.01"))
    less = Update(at=day * DAY + 4 * HOUR, changes={"seats": profile.seats * 2 // 3, "cmrr": str(cmrr)})
    people = max(2, life.phases[-1].habits.people * 2 // 3)
    return replace(life, profile=profile).turning(day, people=people).also(updates=(less,))


def leaving(life: Life, onset: int, _rng: Random) -> Life:
    """They give notice, and will be gone in 60 days."""
    changes = notice(onset)
    return life.also(updates=(Update(at=onset * DAY + DAY // 2, changes=changes),))


def notice(day: int) -> dict[str, str]:
    """What the CRM changes when notice is given on *day*."""
    return {
        "lifecycle_stage": "LEAVING",
        "notice_given_on": date_text(day),
        "leaves_on": date_text(day + 60),
    }
