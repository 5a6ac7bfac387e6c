"""Actions: what a person did about an account or one of its alerts."""

from typing import Final

from pipeline.health.events import Action
from pipeline.intake.checks import Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value

LONGEST_OVERRIDE: Final = 90 * 24 * 3_600_000
"""How far ahead, in ms, an override or a snooze may end; what is meant for longer is a change of facts."""

_LONGEST_REASON: Final = 2000
_ABOUT_AN_ALERT: Final = frozenset({"ACKNOWLEDGE", "SNOOZE", "RESOLVE"})
_UNSUPPORTED: Final = _ABOUT_AN_ALERT | {"NOTE"}
"""Kinds of the schema that change no alert and no score yet; accepted, they would be lost without a word."""


def check(checks: Checks) -> None:
    """Note what is wrong with an action."""
    value = checks.value
    kind, band = value["kind"], value["band"]
    checks.event()
    checks.known("kind", "band")
    checks.text("author")
    checks.optional_text("reason", _LONGEST_REASON)
    checks.optional_text("alert_id")
    if kind in _ABOUT_AN_ALERT:
        checks.required(("alert_id",), f"for {kind}")
    if kind == "SNOOZE":
        checks.required(("until",), "for SNOOZE")
    if kind in _UNSUPPORTED:
        checks.note("unsupported_action", f"{kind} is not supported by this release, only OVERRIDE is")
    if kind == "OVERRIDE":
        checks.required(("reason",), "for OVERRIDE")
    if kind == "OVERRIDE" and band is not None:
        checks.required(("until",), "for OVERRIDE with a band")
    _check_until(checks)


def _check_until(checks: Checks) -> None:
    until, occurred_at = checks.value["until"], checks.value["occurred_at"]
    if until is not None and not occurred_at < until <= occurred_at + LONGEST_OVERRIDE:
        days = (until - occurred_at) / (24 * 3_600_000)
        checks.note("range", f"until is {days:.1f} days after occurred_at, not more than 0 and at most 90")


def resolve(value: Value, people: Pseudonyms) -> Action:  # noqa: ARG001 - one signature for all event types
    """Keep of a checked action what the log holds."""
    return Action(
        value["event_id"],
        value["occurred_at"],
        value["kind"],
        value["author"],
        value["reason"],
        value["alert_id"],
        value["band"],
        value["until"],
    )
