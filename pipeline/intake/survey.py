"""Surveys: sent to a person, and perhaps answered."""

from typing import Final

from pipeline.health.events import SurveyResponse
from pipeline.intake.checks import LONGEST_PERSON, Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value

SCALES: Final = {"NPS": (0, 10), "CSAT": (1, 5), "CES": (1, 7)}
"""Lowest and highest answer per kind. An NPS asked from 1 to 10 cannot be compared with one from 0 to 10."""

_LONGEST_COMMENT: Final = 20_000


def check(checks: Checks) -> None:
    """Note what is wrong with a survey's step."""
    checks.event()
    checks.text("survey_id")
    checks.known("step", "kind")
    checks.optional_text("respondent", LONGEST_PERSON)
    _check_scale(checks)
    _check_score(checks)
    comment = checks.value["comment"]
    if comment is not None and len(comment) > _LONGEST_COMMENT:
        checks.note("range", f"comment has {len(comment)} characters, more than {_LONGEST_COMMENT}")


def _check_scale(checks: Checks) -> None:
    value = checks.value
    kind, scale = value["kind"], (value["scale_min"], value["scale_max"])
    expected = SCALES.get(kind, scale)
    if scale != expected:
        checks.note(
            "range", f"{kind} is asked from {expected[0]} to {expected[1]}, not {scale[0]} to {scale[1]}"
        )
    if kind != "CES" and not value["higher_is_better"]:
        checks.note("range", "higher_is_better is false, which only CES can be")


def _check_score(checks: Checks) -> None:
    value = checks.value
    if value["step"] == "ANSWERED":
        checks.required(("score",), "when ANSWERED")
        checks.number("score", *SCALES.get(value["kind"], (value["scale_min"], value["scale_max"])))
    elif value["step"] == "SENT" and value["score"] is not None:
        checks.note("range", "a survey that was only SENT has a score")


def resolve(value: Value, people: Pseudonyms) -> SurveyResponse:
    """Keep of a checked step what the log holds: of a comment its length alone."""
    source = value["source"]
    return SurveyResponse(
        value["event_id"],
        value["occurred_at"],
        f"{source}:{value['survey_id']}",
        value["step"],
        value["kind"],
        value["score"],
        value["scale_min"],
        value["scale_max"],
        value["higher_is_better"],
        people.person(source, value["email"], value["respondent"]),
        value["respondent_role"],
        len(value["comment"] or ""),
    )
