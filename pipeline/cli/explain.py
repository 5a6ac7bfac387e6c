"""
``telltale explain ACCOUNT``: why an account has its score, from the rows in Postgres.

Every number is one the pipeline wrote; only what is missing to full points is taken from weight and points
here.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

import click

from pipeline.cli.accounts import band_word, open_reader
from pipeline.cli.alert_text import money
from pipeline.cli.printing import json_option, print_json
from pipeline.cli.ranges import NONE_OR_MORE
from pipeline.errors import TelltaleError
from pipeline.ops.text_rows import table_lines
from sinks.postgres.answers import AccountHealth, Alert, Change, Explanation, Freshness, Json

_SEVERITIES: Final = ("CRITICAL", "HIGH", "WARNING", "INFO", "UNKNOWN")
_SHOWN_CAUSES: Final = 5


class UnknownAccount(TelltaleError):  # noqa: N818 - reads as what happened
    """There is no row for this account."""


@click.command()
@click.argument("account")
@click.option(
    "--changes", default=5, show_default=True, type=NONE_OR_MORE, help="How many of the last changes."
)
@json_option("One JSON object.")
def explain(account: str, changes: int, *, as_json: bool) -> None:
    """
    Say why an account has the score it has, and what to do next.

    ACCOUNT is an account's id, as `telltale accounts` lists it.
    """
    with open_reader() as reader:
        found = reader.explain(account, changes=changes)
        freshness = reader.freshness()
    if found is None:
        raise UnknownAccount(
            f'no account "{account}" among {freshness.accounts}', hint="`telltale accounts` lists their ids."
        )
    if as_json:
        print_json([asdict(found)])
    else:
        click.echo("\n".join(explanation_lines(found, freshness)))


def explanation_lines(found: Explanation, freshness: Freshness) -> list[str]:
    """
    The account in one sentence, its components, what moved it, its alerts, the next step, and how new all
    that is.
    """
    account = found.account
    sections = [
        _derived(account, freshness.now),
        _components(account),
        _changes(found.changes),
        _alerts(found.alerts, freshness.now),
        [_next_step(found)],
        [_fresh(account, freshness)],
    ]
    return [line for section in sections if section for line in ["", *section]][1:]


def _derived(account: AccountHealth, now: datetime) -> list[str]:
    score = "has no score: too little is known" if account.score is None else f"scores {account.score:.1f}"
    before = [
        f"{value:.1f} {ago}"
        for ago, value in (("a week ago", account.score_7d_ago), ("four weeks ago", account.score_28d_ago))
        if value is not None
    ]
    lines = [
        f"{account.name or account.account_id} ({account.account_id}) {', '.join([score, band_word(account.band), *before])}"
    ]
    facts = [
        money(account.cmrr, account.currency),
        (account.segment or "").lower(),
        _renewal(account, now),
        f"owner {account.owner}" if account.owner else "no owner yet",
    ]
    lines.append(", ".join(fact for fact in facts if fact))
    if account.left:
        lines.append("no customer any more")
    if account.override is not None:
        by = f"{account.override['author']}: {account.override['reason']}"
        lines.append(
            f"{band_word(account.band)} is the word of {by}; computed: {band_word(account.computed_band)}"
        )
    elif account.forced_by is not None:
        lines.append(f"{band_word(account.band)} is forced: {account.forced_by}")
    return lines


def _components(account: AccountHealth) -> list[str]:
    rows = []
    for component in account.components:
        missing = _missing(account, component)
        rows.append(
            (
                component["name"],
                None if component["score"] is None else f"{component['score']:.0f}",
                f"{component['points']:.1f}",
                None if missing is None else f"{missing:.1f}",
                component["reason"],
            )
        )
    headings = ("component", "score", "earned", "missing", "why")
    known = f"{account.coverage:.0%} of the weight is known"
    if not _known_weight(account) and any(part["score"] is not None for part in account.components):
        known += ": what is known counts nothing in this scorecard"
    card = f"{known}; scorecard {account.scorecard_name} {account.scorecard_version}"
    return [*table_lines(headings, rows, right=(1, 2, 3)), card]


def _known_weight(account: AccountHealth) -> float:
    return sum(float(part["weight"]) for part in account.components if part["score"] is not None)


def _missing(account: AccountHealth, component: Json) -> float | None:
    """
    Points the component could add at most; None if it is not known or counts nothing: it neither adds nor
    takes any.
    """
    known = _known_weight(account)
    if component["score"] is None or not known:
        return None
    most: float = 100 * component["weight"] / known
    earned: float = component["points"]
    return max(0.0, most - earned)


def _changes(changes: Sequence[Change]) -> list[str]:
    lines = ["What moved it lately"] if changes else []
    for change in changes:
        moves = sorted(change.points, key=lambda move: -abs(move["points"]))
        said = [f"{move['component']} {move['points']:+.1f}" for move in moves if abs(move["points"]) >= 0.05]
        scores = f"{_score(change.score_before)} -> {_score(change.score_after)}"
        bands = dict.fromkeys((change.band_before, change.band_after))
        band = " -> ".join(map(band_word, bands))
        lines.append(f"  {_time(change.as_of)}  {scores}  {band}  {', '.join(said) or change.kind.lower()}")
        newest = change.causes[::-1][:_SHOWN_CAUSES]
        lines += [
            f"      {_time(_parsed(cause['occurred_at']))}  {cause['topic']}[{cause['partition']}]@{cause['offset']}"
            f"  {cause['event_id']}"
            for cause in newest
        ]
        if change.causes_count > len(newest):
            lines.append(f"      and {change.causes_count - len(newest)} events before")
    return lines


def _alerts(alerts: Sequence[Alert], now: datetime) -> list[str]:
    lines = ["Open alerts"] if alerts else []
    for alert in alerts:
        state = "" if alert.transition in {"OPENED", "REOPENED"} else f", {alert.transition.lower()}"
        lines.append(f"  {alert.severity}  {alert.sign}: {alert.reason}")
        lines.append(f"      open {_span(now - alert.opened_at)}{state}; next: {_step(alert)}")
    return lines


def _next_step(found: Explanation) -> str:
    urgent = min(found.alerts, key=lambda alert: _urgency(alert.severity), default=None)
    if urgent is not None:
        return f"Next   {_step(urgent)}"
    gaps = [
        (missing, part) for part in found.account.components if (missing := _missing(found.account, part))
    ]
    if not gaps:
        missing_what = (
            "no points are missing" if found.account.score is not None else "too little is known to score it"
        )
        return f"Next   no alert is open, and {missing_what}"
    missing, weakest = max(gaps, key=lambda gap: gap[0])
    return f"Next   no alert is open; {weakest['name']} could add most, {missing:.1f} points: {weakest['reason']}"


def _urgency(severity: str) -> int:
    """Place among the severities, the most urgent first; one that a newer release has written comes last."""
    return _SEVERITIES.index(severity if severity in _SEVERITIES else "UNKNOWN")


def _fresh(account: AccountHealth, freshness: Freshness) -> str:
    newest = freshness.newest_committed_at or account.committed_at
    scored = f"Fresh  scored as of {_time(account.as_of)} UTC"
    stored = (
        f", stored {(account.committed_at - account.scored_at).total_seconds():.1f} s later"
        if account.scored_at
        else ""
    )
    return f"{scored}{stored}; the newest row of all accounts is {_span(freshness.now - newest)} old"


def _renewal(account: AccountHealth, now: datetime) -> str:
    if account.renewal_date is None:
        return ""
    days = (account.renewal_date - now.date()).days
    return (
        f"renews in {days} days ({account.renewal_date})"
        if days >= 0
        else f"renewal was due on {account.renewal_date}"
    )


def _step(alert: Alert) -> str:
    by = f", by {alert.respond_by:%a %d %b %H:%M} UTC" if alert.respond_by else ""
    return f"{alert.play.rstrip('.')}{by}"


def _score(score: float | None) -> str:
    return "unknown" if score is None else f"{score:.1f}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _span(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
