"""Turns that look like trouble and are none: a score that cries at these will be switched off."""

from dataclasses import replace
from decimal import Decimal
from random import Random

from pipeline.simulate.clock import DAY, HOUR
from pipeline.simulate.habits import Life, Update
from pipeline.simulate.surveys import survey_step


def holiday_week(life: Life, onset: int, _rng: Random) -> Life:
    """The firm closes from Monday to Friday; hardly anybody looks in."""
    # Day 0 was a Thursday, so days since it that are 4 modulo 7 are Mondays.
    monday = onset + (4 - onset) % 7
    usual = life.phases[-1].habits
    life = life.turning(monday, visits=0.08, tickets=0.0)
    return life.turning(monday + 7, visits=usual.visits, tickets=usual.tickets)


def angry_answer(life: Life, onset: int, rng: Random) -> Life:
    """One user, no decision-maker, has a bad day when the survey comes."""
    profile = life.profile
    person = life.phases[-1].habits.people - 1
    sent = onset * DAY + (9 - profile.place.utc_hours) * HOUR
    answered = sent + rng.randrange(HOUR, DAY)
    facts = (
        survey_step(profile, f"x{onset:x}", "SENT", sent, respondent=person),
        survey_step(profile, f"x{onset:x}", "ANSWERED", answered, respondent=person, score=1),
    )
    return life.also(facts=facts)


def habitual_late_payer(life: Life, _onset: int, _rng: Random) -> Life:
    """Always pays five days after the due date, from the first invoice on."""
    return life.turning(0, pays_after=5)


def seats_trimmed(life: Life, onset: int, _rng: Random) -> Life:
    """Seats nobody used are given back: as many stay as there are people."""
    profile = life.profile
    people = life.phases[-1].habits.people
    cmrr = (profile.cmrr * people / profile.seats).quantize(Decimal("0.01"))
    changes = {"seats": people, "cmrr": str(cmrr)}
    return life.also(updates=(Update(at=onset * DAY + DAY // 2, changes=changes),))


def sign_on_change(life: Life, onset: int, _rng: Random) -> Life:
    """A new way to sign on gives every user a new name, all on one day."""
    life = replace(life, profile=replace(life.profile, signs_in_by_address=False))
    return life.turning(onset, by_address=True)


def seasonal_dip(life: Life, onset: int, _rng: Random) -> Life:
    """A slow month: two thirds of the usual visits for four weeks, then as before."""
    usual = life.phases[-1].habits
    return life.turning(onset, visits=0.68).turning(onset + 28, visits=usual.visits)


def roll_out(life: Life, onset: int, _rng: Random) -> Life:
    """Two in five more seats are bought, and the people for them come over eight weeks."""
    profile = life.profile
    people = life.phases[-1].habits.people
    more = profile.seats * 2 // 5
    changes = {"seats": profile.seats + more, "cmrr": str((profile.cmrr * 7 / 5).quantize(Decimal("0.01")))}
    for week in range(1, 9):
        life = life.turning(onset + 7 * week, people=people + more * week // 8)
    return life.also(updates=(Update(at=onset * DAY + DAY // 2, changes=changes),))


def staff_turnover(life: Life, onset: int, rng: Random) -> Life:
    """A quarter of the users go, no decision-maker among them, and as many new ones come."""
    people = life.phases[-1].habits.people
    users = [person for person in range(people) if life.profile.role(person) == "USER"]
    gone = rng.sample(users, len(users) // 4)
    return life.turning(onset, people=people + len(gone), away=frozenset(gone))


def busy_support(life: Life, onset: int, _rng: Random) -> Life:
    """A project makes them ask more than usual for three weeks; every question is answered in time."""
    usual = life.phases[-1].habits
    life = life.turning(onset, tickets=1.8 * usual.tickets)
    return life.turning(onset + 21, tickets=usual.tickets)
