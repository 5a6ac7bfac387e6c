"""
The life of an account's alerts: what the signs find opens, escalates, resolves and reopens them.

One alert per account and sign. Telling people is the sinks' work; acknowledging is an action.
"""

from base64 import b32encode
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from pipeline.health.account import AccountState, shown_facts
from pipeline.health.derived_state import Alert
from pipeline.health.outputs import Evidence, Severity, Transition
from pipeline.health.scorecard import USUAL_FALL, Scorecard
from pipeline.health.signs import SIGNS, Finding, Sign
from pipeline.health.trend import fall_within
from pipeline.health.windows import HOUR, date_text, day_of

SEVERITIES: Final[tuple[Severity, ...]] = ("INFO", "WARNING", "HIGH", "CRITICAL")


_ANY_FALL = 0.01


class AlertTransition(NamedTuple):
    """
    A transition of one alert, still without the version it will belong to.

    *score_before* and *points* are those of the fall it stands for, None where only the last version can
    tell.
    """

    sign: Sign[Any]
    alert: Alert
    transition: Transition
    reason: str
    evidence: tuple[Evidence, ...]
    play: str
    respond_by: int | None
    due_at: int | None
    occurred_at: int | None
    observed_at: int | None
    resolved_by: str | None
    score_before: float | None
    points: list[float] | None


def update_alerts(state: AccountState, account_id: str, scorecard: Scorecard) -> list[AlertTransition]:
    """Judge every sign and bring its alert up to date; returns what changed, in the order of the signs."""
    now = state.as_of
    ended = _ended(state)
    if ended is not None:
        return _end(state, now, *ended)
    transitions: list[AlertTransition] = []
    alerts = state.derived.alerts
    explained: tuple[str, ...] = ()
    for sign in SIGNS:
        alert = alerts.get(sign.name)
        if alert is not None and alert.resolved_at:
            alert = None
        numbers = sign.numbers(scorecard)
        if numbers is None:
            if alert is not None:
                transitions.append(
                    _resolve(sign, alert, now, "scorecard", "the scorecard has this sign no more")
                )
            continue
        finding = sign.detect(state, scorecard, numbers, alert, explained)
        if finding is None:
            if alert is not None:
                transitions.append(_resolve(sign, alert, now, "recovery", sign.recovered(state)))
            continue
        explained += sign.explains
        severity = _severity(state, finding, scorecard)
        if alert is None:
            alert, transition = _open(state, account_id, sign, severity, scorecard)
            transitions.append(_transition(state, sign, alert, transition, finding, scorecard=scorecard))
        elif severity > alert.severity:
            alert.severity = severity
            transitions.append(_transition(state, sign, alert, "ESCALATED", finding, scorecard=scorecard))
    return transitions


def open_alerts(state: AccountState) -> list[tuple[str, Alert]]:
    """Open alerts with their signs, oldest first; those opened together in the order of the signs."""
    alerts = state.derived.alerts
    if not alerts:
        return []
    found = [(sign.name, alerts[sign.name]) for sign in SIGNS if sign.name in alerts]
    return sorted([pair for pair in found if not pair[1].resolved_at], key=lambda pair: pair[1].opened_at)


def _ended(state: AccountState) -> tuple[str, str] | None:
    if state.closed_by is not None:
        return "account_closed", "the account is closed"
    if not state.has_left():
        return None
    leaves = shown_facts(state.facts).leaves_day
    return (
        "account_left",
        "the account has left" if leaves is None else f"the account left on {date_text(leaves)}",
    )


def _end(state: AccountState, now: int, resolved_by: str, reason: str) -> list[AlertTransition]:
    alerts = state.derived.alerts
    return [
        _resolve(sign, alerts[sign.name], now, resolved_by, reason)
        for sign in SIGNS
        if sign.name in alerts and not alerts[sign.name].resolved_at
    ]


def _severity(state: AccountState, finding: Finding, scorecard: Scorecard) -> int:
    severity = SEVERITIES.index(finding.severity)
    renewal = shown_facts(state.facts).renewal_day
    if renewal is not None and 0 <= renewal - day_of(state.as_of) <= scorecard.alerts.renewal_days:
        severity += 1
    return min(severity, len(SEVERITIES) - 1)


def _open(
    state: AccountState, account_id: str, sign: Sign[Any], severity: int, scorecard: Scorecard
) -> tuple[Alert, Transition]:
    """
    A new episode; or the last one again, if it resolved so lately that people would take it for the same
    story.
    """
    now, alerts = state.as_of, state.derived.alerts
    last = alerts.get(sign.name)
    others = open_alerts(state)
    if last is not None and now < last.resolved_at + round(
        scorecard.alerts.reopen_hours[last.severity] * HOUR
    ):
        last.resolved_at = 0
        last.severity = max(severity, last.severity)
        last.story_id = others[0][1].story_id if others else last.story_id
        return last, "REOPENED"
    episode = 1 if last is None else last.episode + 1
    name = f"{account_id}\0{sign.name}\0{episode}"
    alerts[sign.name] = opened = Alert(
        alert_id=_short_id("al", name),
        story_id=others[0][1].story_id if others else _short_id("st", name),
        episode=episode,
        sequence=0,
        severity=severity,
        opened_at=now,
        resolved_at=0,
        score_before=None,
    )
    return opened, "OPENED"


def _transition(
    state: AccountState,
    sign: Sign[Any],
    alert: Alert,
    transition: Transition,
    finding: Finding,
    *,
    scorecard: Scorecard,
) -> AlertTransition:
    fall = fall_within(
        state, state.as_of, (scorecard.score_drop or USUAL_FALL).within_days, scorecard, _ANY_FALL
    )
    if transition != "ESCALATED":
        alert.score_before = fall.before if fall is not None else state.derived.score
    alert.sequence += 1
    return AlertTransition(
        sign=sign,
        alert=alert,
        transition=transition,
        reason=finding.reason,
        evidence=finding.evidence,
        play=finding.play,
        respond_by=state.as_of + round(scorecard.alerts.respond_hours[alert.severity] * HOUR),
        due_at=finding.due_at,
        occurred_at=finding.occurred_at,
        observed_at=finding.observed_at,
        resolved_by=None,
        score_before=None if fall is None else fall.before,
        points=None if fall is None else fall.points,
    )


def _resolve(sign: Sign[Any], alert: Alert, now: int, resolved_by: str, reason: str) -> AlertTransition:
    alert.resolved_at = now
    alert.sequence += 1
    return AlertTransition(
        sign=sign,
        alert=alert,
        transition="RESOLVED",
        reason=reason,
        evidence=(),
        play="nothing more to do",
        respond_by=None,
        due_at=None,
        occurred_at=None,
        observed_at=None,
        resolved_by=resolved_by,
        score_before=None,
        points=None,
    )


def _short_id(prefix: str, name: str) -> str:
    """
    Eighty bits of a hash in 16 letters and digits: the same in every replay, and no two alerts share it.
    """
    return f"{prefix}_{b32encode(blake2b(name.encode(), digest_size=10).digest()).decode()}"
