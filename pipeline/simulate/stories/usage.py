"""Stories told by who uses the product and who no longer does."""

from dataclasses import replace
from random import Random

from pipeline.simulate.clock import DAY, HOUR
from pipeline.simulate.habits import Life, Phase, Update
from pipeline.simulate.product import login
from pipeline.simulate.profile import people_with


def fading_use(life: Life, onset: int, _rng: Random) -> Life:
    """Week by week fewer of them come, until an eighth is left."""
    for week, visits in enumerate((0.8, 0.6, 0.45, 0.3, 0.2, 0.125)):
        life = life.turning(onset + 7 * week, visits=visits)
    return life


def lost_champion(life: Life, onset: int, _rng: Random) -> Life:
    """The champions stop coming while everybody else goes on."""
    return life.turning(onset, away=frozenset(people_with(life.profile, "CHAMPION")))


def went_dark(life: Life, onset: int, _rng: Random) -> Life:
    """From one day to the next nobody signs in, and nobody asks the help desk for anything."""
    return life.turning(onset, visits=0.0, tickets=0.0)


def stalled_onboarding(life: Life, onset: int, _rng: Random) -> Life:
    """
    A new customer: a champion tries the product, an executive perhaps looks in, and after five days nobody
    comes.
    """
    profile = replace(life.profile, start_day=onset, renewal_day=onset + 365, stage="ONBOARDING")
    champion = people_with(profile, "CHAMPION")[0]
    trying = replace(life.phases[0].habits, people=champion + 1, tickets=0.1)
    silent = replace(trying, visits=0.0)
    first = login(profile, champion, onset * DAY + (10 - profile.place.utc_hours) * HOUR)
    return Life(
        profile=profile,
        phases=(Phase(from_day=0, habits=trying), Phase(from_day=onset + 5, habits=silent)),
        facts=(first,),
    )


def growing_start(life: Life, onset: int, _rng: Random) -> Life:
    """A new customer whose people join over six weeks, and who is then live: harmless."""
    profile = replace(life.profile, start_day=onset, renewal_day=onset + 365, stage="ONBOARDING")
    usual = life.phases[0].habits
    first = replace(usual, people=max(2, usual.people // 6))
    life = Life(profile=profile, phases=(Phase(from_day=0, habits=first),))
    for week in range(1, 6):
        life = life.turning(onset + 7 * week, people=max(2, usual.people * (week + 1) // 6))
    live = Update(at=(onset + 60) * DAY + DAY // 2, changes={"lifecycle_stage": "LIVE"})
    return life.also(updates=(live,))
