"""Feedback: somebody wrote to us."""

from pipeline.health.events import Feedback
from pipeline.intake.checks import Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value


def check(checks: Checks) -> None:
    """Note what is wrong with it."""
    checks.event()


def resolve(value: Value, _people: Pseudonyms) -> Feedback:
    """Keep what the log holds."""
    return Feedback(value["event_id"], value["occurred_at"])
