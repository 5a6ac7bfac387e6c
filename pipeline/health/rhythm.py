"""
An account's rhythm: how long it usually stays away, and after how much silence that is not usual any more.
"""

from typing import NamedTuple

from pipeline.health.account import AccountState
from pipeline.health.scorecard import WentDark
from pipeline.health.windows import DAY, day_of, longest_pause, week_of


class Rhythm(NamedTuple):
    """
    *longest_gap* in days between two neighbouring days with logins, *allowed_silence* in ms; both 0 if
    unknown.
    """

    longest_gap: int
    allowed_silence: int


def rhythm_of(state: AccountState, numbers: WentDark) -> Rhythm:
    """
    The rhythm the logins up to the last one show.

    Only they count, not the day it is now, so that the moment a silence is due does not move while it lasts.
    Allowed is the longest of: the minimum, ``factor`` times the longest gap of the window, and, if the
    account ever left whole weeks empty within a year (a holiday), as many weeks and ``empty_week_days``.
    """
    if not state.last_login_at:
        return Rhythm(0, 0)
    last = day_of(state.last_login_at)
    days = state.logins.pattern(last - numbers.window_days + 1, last)
    if days.bit_count() < numbers.least_active_days or days.bit_length() <= numbers.least_span_days:
        return Rhythm(0, 0)
    longest = longest_pause(days)
    facts = state.facts
    seats = len(state.people) if facts is None or facts.seats is None else facts.seats
    minimum = numbers.few_seats_minimum_days if seats <= numbers.few_seats else numbers.minimum_days
    allowed = max(minimum, numbers.factor * longest)
    week = week_of(last)
    weeks = longest_pause(state.login_weeks.pattern(week - 52, week))
    if weeks > 1:
        allowed = max(allowed, 7 * (weeks - 1) + numbers.empty_week_days)
    return Rhythm(longest, round(allowed * DAY))
