"""
Usage: whether the people who could use the product do, as much as they used to, and the important ones among
them.

The blend of breadth, volume and key people is damped by the silence, measured against the account's own
rhythm.
"""

from pipeline.health.account import AccountState, Volume
from pipeline.health.components.assessment import Assessment, Component, count
from pipeline.health.dirty import FACTS, LOGINS
from pipeline.health.people import MEMORY_DAYS
from pipeline.health.scorecard import Scorecard, Usage
from pipeline.health.windows import DAY, week_of

_WEEK, _TWO_WEEKS = 7, 14
_FIRST_DAYS = 3  # an account may be a customer for some days before the CRM says so
_WHO = {"CHAMPION": "a champion", "EXECUTIVE": "an executive"}
_LEAST_SEASON = 0.25  # below this a year ago says more about that year than about the season


def score_usage(state: AccountState, now: int, scorecard: Scorecard) -> Assessment:
    """
    Weighted mean of the parts that are known, times the silence factor; unknown until somebody logged in.

    The reason names the part that costs most. It does not go stale: silence is itself a sign of use.
    """
    if not state.last_login_at:
        return Assessment(None, "no login seen yet")
    numbers = scorecard.usage
    day = now // DAY
    breadth, volume = _breadth(state, day, numbers), _volume(state, day, scorecard)
    weight = points = 0.0
    costliest, reason = -1.0, ""
    for part_weight, (score, text) in (
        (numbers.breadth_weight, breadth),
        (numbers.volume_weight, volume),
        (numbers.key_people_weight, _key_people(state, numbers)),
    ):
        if score is None:
            continue
        weight += part_weight
        points += part_weight * score
        cost = part_weight * (100 - score)
        if cost > costliest:
            costliest, reason = cost, text
    if not weight or (breadth[0] is None and volume[0] is None):
        return Assessment(None, "too few logins heard of so far to judge")
    factor = 1.0
    dark_at = state.dark_at
    if dark_at:
        silence = max(0, state.watermark - state.last_login_at)
        factor = numbers.silence.at(silence / state.allowed_silence)
        if factor < 1:
            reason = f"no login for {count(silence // DAY, 'day')} (longest before: {state.longest_gap})"
    return Assessment(
        round(points / weight * factor, 4), reason, None, dark_at if dark_at > state.watermark else 0
    )


def _breadth(state: AccountState, day: int, numbers: Usage) -> tuple[float | None, str]:
    """
    People active in the window over the seats that should be in use at the account's age.

    Unknown without seats, and while an account that was there before us has been heard of for too few days.
    """
    facts = state.facts
    if facts is None or not facts.seats:
        return None, ""
    ours_from_start = facts.start_day is not None and facts.start_day >= state.first_day - _FIRST_DAYS
    if day - state.first_login_day < numbers.breadth_least_days and not ours_from_start:
        return None, ""
    active = state.people.active(day, numbers.active_days)
    text = f"{active} of {count(facts.seats, 'seat')} active in {numbers.active_days} days"
    seats = float(facts.seats)
    days = day - state.seats_since
    if facts.seats > state.seats_before and days < numbers.new_seats_days:
        seats -= (facts.seats - state.seats_before) * (1 - days / numbers.new_seats_days)
        text += f", {facts.seats - state.seats_before} bought {count(days, 'day')} ago"
    if facts.start_day is not None:
        expected = numbers.expected_seats.at(day - facts.start_day)
        seats *= expected
        if expected < 1:
            text += f", {expected:.0%} expected at day {day - facts.start_day}"
    return numbers.breadth.at(active / seats if seats else 1.0), text


def _volume(state: AccountState, day: int, scorecard: Scorecard) -> tuple[float | None, str]:
    """Compared once a day and after late logins, for today's do not count yet."""
    volume = state.volume
    if volume is None or volume.day != day or volume.card_name != scorecard.name:
        compared = _compare_weeks(state, day, scorecard.usage)
        state.volume = Volume(day, scorecard.name, *compared)
        return compared
    return volume.points, volume.reason


def _compare_weeks(state: AccountState, day: int, numbers: Usage) -> tuple[float | None, str]:
    """
    Logins of the last two weeks against the four weeks before them; whole weeks hold each weekday alike.

    The better of the last week and of both counts: one quiet week, a holiday, costs little. Where the same
    weeks a year ago were quiet too, they lower what is expected. Unknown while there is too little to compare
    with.
    """
    logins = state.logins
    start = day - _TWO_WEEKS
    known = min(
        numbers.volume_baseline_days, start - max(state.first_login_day, logins.newest - MEMORY_DAYS + 1)
    )
    known -= known % _WEEK
    if known < _TWO_WEEKS:
        return None, ""
    usual = logins.total(start - known, start - 1) / known
    if usual * _WEEK < numbers.volume_least_weekly:
        return None, ""
    last_week = week_of(day - 364 - 4)  # held the middle of the last seven days, a year ago
    before = state.login_weeks.total(last_week - 4, last_week - 2) / 3
    best = 0.0
    for weeks in (1, 2):
        # Share of the usual that was left in the same weeks a year ago, 1 without a year of logins.
        season = 1.0
        if before >= numbers.volume_least_weekly:
            then = state.login_weeks.total(last_week - weeks + 1, last_week) / weeks / before
            season = min(1.0, max(_LEAST_SEASON, then))
        days = weeks * _WEEK
        best = max(best, logins.total(day - days, day - 1) / (usual * days * season))
    change = f"{1 - best:.0%} below" if best < 1 else f"{best - 1:.0%} above"
    return numbers.volume.at(best), f"logins {change} the usual of four weeks"


def _key_people(state: AccountState, numbers: Usage) -> tuple[float | None, str]:
    """
    Champions, executives and power users still there; unknown while none is known. Refreshed with each new
    day.
    """
    people = state.key_people
    if not people.present + people.missing:
        return None, ""
    score = numbers.key_people.at(people.present / (people.present + people.missing))
    if not people.missing:
        return (
            score,
            f"{count(people.present, 'champion, executive or power user', 'champions, executives and power users')} active",
        )
    who = _WHO.get(people.missing_role, "a power user")
    others = f" and {people.missing - 1} more" if people.missing > 1 else ""
    if people.sponsors_missing:
        score = min(score, numbers.sponsor_missing)
    return score, f"{who}{others} not seen for {count(people.missing_days, 'day')} while others go on"


USAGE = Component("usage", LOGINS | FACTS, score_usage)
