"""
The demo's plan: months of history that end now, and what happens in the minutes after, by the real clock.

The accounts of an ordinary portfolio, and beside them one for each of ``LIVE_STORIES``. Sending the lines at
their time is the caller's business.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from random import Random

from pipeline.simulate.chance import random_for
from pipeline.simulate.clock import DAY, SECOND, time_text, to_ms
from pipeline.simulate.delivery import Line, deliver
from pipeline.simulate.habits import Life, usual_life
from pipeline.simulate.live import LIVE_STORIES, LiveStory
from pipeline.simulate.portfolio import Portfolio, ToldStory, portfolio
from pipeline.simulate.product import login
from pipeline.simulate.profile import Sizes, draw_profile
from pipeline.simulate.rehearsal import Rehearsal

ACCOUNTS = 130
HISTORY_DAYS = 112
LIVE_SECONDS = 120
SIZES = Sizes(small=(5, 8), mid=(8, 20), enterprise=(25, 50))
"""Small firms, so that what fits into a few seconds of loading is the whole life of some 140 of them."""

_LOGINS_PER_SECOND = 4
_QUIET_DAYS = 35
_MOST_CASTS = 20
_SOON = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """A *line* to send *seconds* after the plan's now; it says itself when it happened and is observed."""

    seconds: float
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """
    What the demo loads, what it sends, and what must come of it.

    *stories* are those of the live minutes: one of the signs must open between *begins*, its cause or due
    moment, and *ends*. No other account may alert in that time, except those of *past_stories*, whose trouble
    goes on.
    """

    now: datetime
    portfolio: Portfolio
    live: tuple[LiveEvent, ...]
    stories: tuple[ToldStory, ...]

    @property
    def past_stories(self) -> tuple[ToldStory, ...]:
        """The stories that history holds."""
        return self.portfolio.stories

    def history(self) -> Iterator[Line]:
        """Everything observed before now: the accounts, then their events in the order of delivery."""
        return replace(self.portfolio, end=self.now).lines()


def demo_portfolio(now: datetime, *, seed: int, accounts: int = ACCOUNTS) -> DemoPlan:
    """
    So many *accounts* and those of the live stories: sixteen weeks up to *now* (aware), and the two minutes
    after it.

    Let *now* be the moment at which the live part begins: what must be due some seconds later is laid by it.
    Of fewer than 20 *accounts* all may have a story of trouble. Same arguments, same plan. Raises ValueError
    if no account is found to live a story.
    """
    start, end = now - timedelta(days=HISTORY_DAYS), now + timedelta(seconds=LIVE_SECONDS)
    ordinary = portfolio(seed=seed, accounts=accounts, start=start, end=end, sizes=SIZES)
    rehearsal = Rehearsal(seed=seed, start=start, now=now)
    laid = [_cast(story, rehearsal, accounts + number) for number, story in enumerate(LIVE_STORIES)]
    whole = replace(ordinary, lives=ordinary.lives + tuple(life for life, _ in laid))
    going_live = time_text(to_ms(now))
    lines = [line for line in whole.lines() if line["observed_at"] >= going_live]
    lines += _traffic(ordinary, now, random_for(seed, "traffic"))
    lines.sort(key=itemgetter("observed_at", "event_id"))
    return DemoPlan(
        now=now,
        portfolio=whole,
        live=tuple(LiveEvent(seconds=_seconds_after(now, line), line=line) for line in lines),
        stories=tuple(told for _, told in laid),
    )


def _cast(story: LiveStory, rehearsal: Rehearsal, index: int) -> tuple[Life, ToldStory]:
    """
    The first account from *index* on, every so many, that lives *story* as it is meant: nothing open before,
    the sign then.

    By chance one in some dozens has a bad week of its own just when the demo is shown, and is at risk
    already.
    """
    for attempt in range(_MOST_CASTS):
        life, told = _lay(story, rehearsal, index + attempt * len(LIVE_STORIES))
        alerts = rehearsal.alerts(life, told.ends)
        now = to_ms(rehearsal.now)
        last = {alert.sign: alert.transition for alert in alerts if alert.as_of < now}
        opened = {alert.sign for alert in alerts if alert.as_of >= now and alert.transition == "OPENED"}
        if {*last.values()} <= {"RESOLVED"} and (opened & story.signs if story.signs else not opened):
            return life, told
    raise ValueError(f"none of {_MOST_CASTS} accounts lives {story.name} as it is meant: take another seed")


def _lay(story: LiveStory, rehearsal: Rehearsal, index: int) -> tuple[Life, ToldStory]:
    seed, now = rehearsal.seed, rehearsal.now
    rng = random_for(seed, "live", story.name)
    seats = (story.seats, story.seats)
    sizes = Sizes(small=seats, mid=seats, enterprise=seats)
    first_day = to_ms(rehearsal.start) // DAY
    profile = draw_profile(seed=seed, index=index, first_day=first_day, sizes=sizes, rng=rng)
    # Drawn is all but what the stories need: a size, roles that are told, and a rhythm of workdays without
    # exception, so that the silence it allows does not depend on the date of the demo.
    place = replace(profile.place, holidays=frozenset())
    profile = replace(profile, segment=story.segment, place=place, says_roles=True, weekend_visits=0.0)
    begins = now + timedelta(seconds=story.seconds)
    life = _content(usual_life(profile, rng), to_ms(now) // DAY)
    told = ToldStory(
        account_id=profile.account_id,
        story=story.name,
        component=None,
        signs=story.signs,
        begins=begins,
        ends=begins + _SOON,
    )
    return story.lay(life, to_ms(begins), rehearsal.when_dark), told


def _content(life: Life, today: int) -> Life:
    """
    An account with nothing to tell before its story: calm tickets, none of late, paid in time, glad to say
    so.
    """
    calm = life.turning(0, tickets=0.25, urgency=(0.0, 0.0, 0.6, 0.4), trouble=0.0, card_fails=0.0)
    glad = calm.turning(0, mood=9.6, decider_mood=9.8, answer_rate=0.9)
    return glad.turning(today - _QUIET_DAYS, tickets=0.0)


def _traffic(ordinary: Portfolio, now: datetime, rng: Random) -> list[Line]:
    """Logins of accounts without trouble, so that the minutes are busy whatever the hour is."""
    troubled = {told.account_id for told in ordinary.stories if not told.is_harmless}
    today = to_ms(now) // DAY
    busy = [life for life in ordinary.lives if life.profile.account_id not in troubled]
    lines = []
    for _ in range(LIVE_SECONDS * _LOGINS_PER_SECOND):
        life = rng.choice(busy)
        person = rng.randrange(life.habits_on(today).people)
        at = to_ms(now) + rng.randrange(LIVE_SECONDS * SECOND)
        fact = login(life.profile, person, at, delay=0)
        lines += [line for _, line in deliver(fact, life.profile, rng)]
    return lines


def _seconds_after(now: datetime, line: Line) -> float:
    return (to_ms(datetime.fromisoformat(line["observed_at"])) - to_ms(now)) / SECOND
