"""Logins: somebody used the product."""

from pipeline.health.events import Login
from pipeline.intake.checks import LONGEST_PERSON, Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value


def check(checks: Checks) -> None:
    """Note what is wrong with a login; its channel and role may be UNKNOWN."""
    checks.event()
    checks.text("user_id", LONGEST_PERSON)
    checks.optional_text("feature")


def resolve(value: Value, people: Pseudonyms) -> Login:
    """Keep of a checked login what the log holds."""
    person = people.person(value["source"], value["email"], value["user_id"])
    assert person is not None  # a checked user_id is not empty
    return Login(
        value["event_id"], value["occurred_at"], person, value["role"], value["channel"], value["feature"]
    )
