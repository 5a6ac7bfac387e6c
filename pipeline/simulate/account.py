"""
One account day by day: everything its habits, its story and its contract make happen, as delivered lines.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from pipeline.simulate.billing import invoices
from pipeline.simulate.chance import random_for
from pipeline.simulate.clock import DAY, HOUR, date_text
from pipeline.simulate.delivery import Line, deliver
from pipeline.simulate.facts import Fact
from pipeline.simulate.habits import Life, Update
from pipeline.simulate.product import visit_chances, visits
from pipeline.simulate.support import tickets
from pipeline.simulate.surveys import pulse


class AccountDays:
    """
    The days of one *life*, to be asked for in order.

    It holds what passes from day to day: the random generator, the account's record as the CRM has it, and
    who its people are.
    """

    def __init__(self, life: Life, seed: int) -> None:
        self.life = life
        self._rng = random_for(seed, "days", life.profile.index)
        self._record = life.profile.crm_record()
        self._chances: list[float] = []
        self._facts: defaultdict[int, list[Fact]] = defaultdict(list)
        self._updates: defaultdict[int, list[Update]] = defaultdict(list)
        for fact in life.facts:
            self._facts[fact.occurred_at // DAY].append(fact)
        for update in life.updates:
            self._updates[update.at // DAY].append(update)

    def opening_line(self, at: int) -> Line:
        """The account as the CRM has it at *at*, when the stream begins."""
        return next(deliver(self._crm_fact(at, delay=0), self.life.profile, self._rng))[1]

    def day(self, day: int, *, since: int) -> Iterator[tuple[int, Line]]:
        """
        What local *day* sets going and is not before *since* (ms UTC): lines and the times they are observed
        at.
        """
        for fact in self._happening(day):
            if fact.occurred_at >= since:
                yield from deliver(fact, self.life.profile, self._rng)

    def _happening(self, day: int) -> Iterator[Fact]:
        life, rng = self.life, self._rng
        profile = life.profile
        if day < profile.start_day:
            return
        if day == profile.start_day:
            yield self._crm_fact(day * DAY - profile.place.utc_hours * HOUR, delay=0)
        for update in self._updates.get(day, ()):
            self._record |= update.changes
            yield self._crm_fact(update.at, delay=update.delay)
        if self._record["renewal_date"] == date_text(day):
            self._record["renewal_date"] = date_text(day + 365)
            yield self._crm_fact(day * DAY, delay=None)
        yield from self._facts.get(day, ())
        habits = life.habits_on(day)
        if len(self._chances) != habits.people:
            self._chances = visit_chances(profile, habits.people)
        yield from visits(profile, habits, self._chances, day, rng)
        yield from tickets(profile, habits, day, rng)
        yield from invoices(profile, habits, Decimal(self._record["cmrr"]), day, rng)
        yield from pulse(profile, habits, day, rng)

    def _crm_fact(self, at: int, *, delay: int | None) -> Fact:
        return Fact(
            type="account",
            event_id=f"{self.life.profile.prefix}-a{at:x}",
            occurred_at=at,
            fields=dict(self._record),
            delay=delay,
        )
