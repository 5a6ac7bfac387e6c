"""All accounts in one stream of lines, in the order in which they are observed."""

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

from pipeline.simulate.account import AccountDays
from pipeline.simulate.chance import random_for
from pipeline.simulate.clock import DAY, HOUR, to_datetime, to_ms
from pipeline.simulate.delivery import Line
from pipeline.simulate.habits import Life, usual_life
from pipeline.simulate.places import MOST_EASTERLY_HOURS
from pipeline.simulate.profile import Sizes, draw_profile
from pipeline.simulate.stories import STORIES, Story

WARM_UP_DAYS = min(story.warm_up for story in STORIES)
"""A portfolio that is not longer than this has no stories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldStory:
    """
    A story that an account of the portfolio lives.

    Between *begins* and *ends* *component* must lose points and one of *signs* must open, where the story has
    them.
    """

    account_id: str
    story: str
    component: str | None
    signs: frozenset[str]
    begins: datetime
    ends: datetime

    @property
    def is_harmless(self) -> bool:
        """Whether the account must stay without alert."""
        return self.component is None and not self.signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """
    Lives of many accounts between *start* and *end*, and the stories among them.

    ``lines`` may be called again and gives the same lines: nothing is used up. At any time only the lines of
    about three days are held, so that a year of a large portfolio needs no more memory than its accounts do.
    """

    seed: int
    start: datetime
    end: datetime
    lives: tuple[Life, ...]
    stories: tuple[ToldStory, ...]

    def lines(self) -> Iterator[Line]:
        """
        Every event observed in [start, end): first the accounts there are at *start*, then all others in
        order.

        Accounts that begin later are told of on their first day.
        """
        start, end = to_ms(self.start), to_ms(self.end)
        accounts = [AccountDays(life, self.seed) for life in self.lives]
        # Where it is evening, the local day before reaches into the first one.
        first_day = start // DAY - 1
        for account in accounts:
            if account.life.profile.start_day < first_day:
                yield account.opening_line(start)
        waiting: list[tuple[int, int, int, Line]] = []
        told = 0
        for day in range(first_day, end // DAY + 2):
            for account in accounts:
                for observed_at, line in account.day(day, since=start):
                    # Index and count stand between time and line, so that lines are never compared.
                    waiting.append((observed_at, account.life.profile.index, told, line))
                    told += 1
            waiting.sort()
            # What the next local day adds happens after its midnight at the most easterly place.
            ripe = min(end, (day + 1) * DAY - MOST_EASTERLY_HOURS * HOUR)
            cut = bisect_left(waiting, (ripe,))
            for _, _, _, line in waiting[:cut]:
                yield line
            del waiting[:cut]


def ndjson(lines: Iterator[Line]) -> Iterator[str]:
    """Each line as one line of JSON text, its newline included."""
    for line in lines:
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def portfolio(
    *, seed: int, accounts: int, start: datetime, end: datetime, sizes: Sizes | None = None
) -> Portfolio:
    """
    *accounts* accounts from *start* to *end* (aware datetimes): same arguments, same lines.

    Each story is lived by its share of the accounts, one at least while they last; one that cannot both
    follow its days of usual life and show itself before *end* is left out. The other accounts live as usual.
    """
    first_day, last_day = to_ms(start) // DAY, to_ms(end) // DAY
    cast = _cast(accounts, random_for(seed, "cast"))
    lives, told = [], []
    for index in range(accounts):
        rng = random_for(seed, "profile", index)
        profile = draw_profile(seed=seed, index=index, first_day=first_day, sizes=sizes or Sizes(), rng=rng)
        life = usual_life(profile, rng)
        story = cast.get(index)
        earliest = first_day + story.warm_up if story else 0
        latest = last_day - story.days if story else 0
        if story and earliest < latest:
            onset = rng.randrange(earliest, latest)
            life = story.tell(life, onset, rng)
            told.append(
                ToldStory(
                    account_id=profile.account_id,
                    story=story.name,
                    component=story.component,
                    signs=story.signs,
                    begins=to_datetime(onset * DAY),
                    ends=to_datetime((onset + story.days) * DAY),
                )
            )
        lives.append(life)
    return Portfolio(seed=seed, start=start, end=end, lives=tuple(lives), stories=tuple(told))


def _cast(accounts: int, rng: Random) -> dict[int, Story]:
    """Which account lives which story."""
    order = rng.sample(range(accounts), accounts)
    parts = [story for story in STORIES for _ in range(max(1, round(story.share * accounts)))]
    return dict(zip(order, parts, strict=False))
