"""
The stories accounts live: one function each, which turns a usual life into one with a story.

To add a story: write its function into the file of its kind and one line into ``STORIES``.
"""

from pipeline.simulate.stories.harmless import (
    angry_answer,
    busy_support,
    habitual_late_payer,
    holiday_week,
    roll_out,
    seasonal_dip,
    seats_trimmed,
    sign_on_change,
    staff_turnover,
)
from pipeline.simulate.stories.relations import (
    leaving,
    quality_trouble,
    shrinking,
    stops_paying,
    unhappy_executive,
)
from pipeline.simulate.stories.story import Story
from pipeline.simulate.stories.usage import (
    fading_use,
    growing_start,
    lost_champion,
    stalled_onboarding,
    went_dark,
)

__all__ = ["STORIES", "Story"]

STORIES = (
    Story(
        name="fading_use", tell=fading_use, signs=frozenset({"value_not_realised", "low_adoption"}), days=49
    ),
    Story(name="lost_champion", tell=lost_champion, signs=frozenset({"sponsor_lost"}), days=28),
    Story(name="went_dark", tell=went_dark, signs=frozenset({"went_dark"}), days=28),
    Story(
        name="stalled_onboarding", tell=stalled_onboarding, signs=frozenset({"stalled_onboarding"}), days=35
    ),
    Story(name="quality_trouble", tell=quality_trouble, signs=frozenset({"quality_trouble"}), days=21),
    Story(name="stops_paying", tell=stops_paying, signs=frozenset({"payment_trouble"}), days=70),
    Story(name="unhappy_executive", tell=unhappy_executive, signs=frozenset({"unhappy_voices"}), days=14),
    Story(name="shrinking", tell=shrinking, signs=frozenset({"shrinking"}), days=7),
    Story(name="leaving", tell=leaving, signs=frozenset({"band"}), days=2),
    Story(name="holiday_week", tell=holiday_week, days=28),
    Story(name="angry_answer", tell=angry_answer, days=28),
    Story(name="habitual_late_payer", tell=habitual_late_payer, days=28),
    Story(name="seats_trimmed", tell=seats_trimmed, days=28),
    Story(name="sign_on_change", tell=sign_on_change, days=28),
    Story(name="seasonal_dip", tell=seasonal_dip, days=56),
    Story(name="roll_out", tell=roll_out, days=56),
    Story(name="staff_turnover", tell=staff_turnover, days=56),
    Story(name="busy_support", tell=busy_support, days=28),
    Story(name="growing_start", tell=growing_start, days=28),
)
"""Every story: those that some sign must tell first, then those at which no alert may open."""
