"""The surveys an account's people are sent and what they answer."""

from collections.abc import Iterator
from random import Random

from pipeline.health.events import SurveyKind, SurveyStep
from pipeline.simulate.clock import DAY, HOUR
from pipeline.simulate.facts import Fact
from pipeline.simulate.habits import Habits, role_mood
from pipeline.simulate.profile import Profile

_SCALES: dict[SurveyKind, tuple[int, int]] = {"NPS": (0, 10), "CSAT": (1, 5), "CES": (1, 7)}
_WORDS = {True: "Does what we bought it for.", False: "Not what we had hoped for."}
_PULSE_DAYS = 30
_PEOPLE_PER_SURVEY = 40
"""Of so many people one is asked in a pulse, the decision-maker apart."""


def survey_step(
    profile: Profile,
    survey: str,
    step: SurveyStep,
    at: int,
    *,
    respondent: int,
    kind: SurveyKind = "NPS",
    score: int | None = None,
    delay: int | None = None,
) -> Fact:
    """One step of the survey that *survey* names within its account; *score* is null unless answered."""
    lowest, highest = _SCALES[kind]
    comment = None
    if score is not None and at // 13 % 3 == 0:
        comment = _WORDS[score * 2 > lowest + highest]
    return Fact(
        type="survey",
        event_id=f"{profile.prefix}-s{survey}-{step.lower()}",
        occurred_at=at,
        fields={
            "survey_id": f"{profile.prefix}-{survey}",
            "step": step,
            "kind": kind,
            "score": score,
            "scale_min": lowest,
            "scale_max": highest,
            "higher_is_better": True,
            "respondent": f"s-{profile.prefix}-{respondent}",
            "respondent_role": profile.role(respondent),
            "comment": comment,
        },
        person=respondent,
        delay=delay,
    )


def pulse(profile: Profile, habits: Habits, day: int, rng: Random) -> Iterator[Fact]:
    """
    Once in 30 days: one decision-maker and one in forty of the others are asked, and answer within three days
    or never.

    The mood is a mean: single answers scatter by about a point around it. CSAT and CES follow the same mood.
    """
    if (day - profile.start_day) % _PULSE_DAYS:
        return
    people = [rng.randrange(min(3, habits.people))]
    people += [rng.randrange(habits.people) for _ in range(1 + habits.people // _PEOPLE_PER_SURVEY)]
    for number, person in enumerate(people):
        survey = f"{day:x}.{number}"
        kind: SurveyKind = "NPS" if number == 0 else rng.choice(("NPS", "CSAT", "CES"))
        at = day * DAY + (9 - profile.place.utc_hours) * HOUR + number
        yield survey_step(profile, survey, "SENT", at, respondent=person, kind=kind)
        if rng.random() < habits.answer_rate:
            mood = role_mood(habits, profile.role(person)) + rng.gauss(0, 0.8)
            lowest, highest = _SCALES[kind]
            score = min(highest, max(lowest, round(lowest + (highest - lowest) * mood / 10)))
            answered = at + rng.randrange(HOUR, 3 * DAY)
            yield survey_step(
                profile, survey, "ANSWERED", answered, respondent=person, kind=kind, score=score
            )
