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
    Story(name="fading_use", tell=fading_use, days=49, component="usage"),
    Story(name="lost_champion", tell=lost_champion, days=28, component="usage"),
    Story(name="went_dark", tell=went_dark, days=28, component="usage", signs=frozenset({"went_dark"})),
    Story(
        name="stalled_onboarding",
        tell=stalled_onboarding,
        days=35,
        component="usage",
        signs=frozenset({"went_dark", "score_drop", "band"}),
    ),
    Story(
        name="quality_trouble",
        tell=quality_trouble,
        days=28,
        component="support",
        signs=frozenset({"score_drop", "band"}),
    ),
    Story(name="stops_paying", tell=stops_paying, days=61, component="billing", signs=frozenset({"band"})),
    Story(name="unhappy_executive", tell=unhappy_executive, days=14, component="sentiment"),
    # What recurs is compared with 90 days before, and an invoice counts from its due date on.
    Story(name="shrinking", tell=shrinking, days=56, component="billing", warm_up=140),
    Story(name="leaving", tell=leaving, days=2, signs=frozenset({"band"})),
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
"""Every story: the troubles first, then what only looks like one."""
