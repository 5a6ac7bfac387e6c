"""
An alert as people read it in a terminal: who, why in one sentence, since when, money, next step, owner.

Takes the decoded AlertEvent of the topic and nothing else, so every reader of the contract could print the
same.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_INDENT = " " * 8


def money(amount: Decimal | None, currency: str | None) -> str:
    """``EUR 18,400/month``; an empty string when the account's revenue is not known."""
    if amount is None:
        return ""
    return f"{currency or ''} {amount:,.0f}/month".strip()


def delivery_seconds(alert: Mapping[str, Any], delivered_at: float) -> tuple[float, str]:
    """
    Time to detect in seconds, and the words for what it is counted from.

    *delivered_at* is wall-clock time, seconds since the epoch. A silence or a hold counts from the moment it
    was due, anything else from the moment the last contributing event was observed.
    """
    if alert["due_at"] is not None:
        return delivered_at - alert["due_at"] / 1000, "after it was due"
    observed_at = alert["observed_at"] if alert["observed_at"] is not None else alert["as_of"]
    return delivered_at - observed_at / 1000, "after the event"


def score_move(alert: Mapping[str, Any]) -> str:
    """``71.3 -> 55.3   usage -16.0``: the score before and after, and what moved it, the largest first."""
    before, after = alert["score_before"], alert["score_after"]
    moves = sorted(alert["points"], key=lambda move: -abs(move["points"]))
    said = [f"{move['component']} {move['points']:+.1f}" for move in moves if abs(move["points"]) >= 0.05]
    scores = " -> ".join("unknown" if score is None else f"{score:.1f}" for score in (before, after))
    return "   ".join([scores, *said])


def alert_lines(alert: Mapping[str, Any], delivered_at: float) -> list[str]:
    """The block a new alert is told in; six lines at most."""
    seconds, counted_from = delivery_seconds(alert, delivered_at)
    who = alert["account_name"] or alert["account_id"]
    facts = [f"{' ALERT':8}{alert['severity']}  {who} {alert['reason']}"]
    context = [money(alert["cmrr"], alert["currency"]), _renewal(alert["renewal_date"], alert["as_of"])]
    if any(context):
        facts.append(f"{_INDENT}money  {', '.join(part for part in context if part)}")
    facts.append(f"{_INDENT}score  {score_move(alert)}")
    facts.append(f"{_INDENT}next   {alert['play'].rstrip('.')}{_respond_by(alert['respond_by'])}")
    facts.append(f"{_INDENT}owner  {alert['owner'] or 'nobody yet'}")
    facts.append(f"{_INDENT}told   {seconds:.1f} s {counted_from}")
    return facts


def resolved_line(alert: Mapping[str, Any]) -> str:
    """One line for an alert that is over."""
    who = alert["account_name"] or alert["account_id"]
    open_for = _span((alert["as_of"] - alert["opened_at"]) / 1000)
    return f"{' DONE':8}{who} {alert['reason']} ({alert['sign']}, open {open_for})"


def _renewal(renewal_day: int | None, as_of: int) -> str:
    if renewal_day is None:
        return ""
    days = renewal_day - as_of // 86_400_000
    if days < 0:
        return "renewal date has passed"
    return f"renews in {days} day{'' if days == 1 else 's'}"


def _respond_by(respond_by: int | None) -> str:
    if respond_by is None:
        return ""
    return f", by {datetime.fromtimestamp(respond_by / 1000, UTC):%a %d %b %H:%M} UTC"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
