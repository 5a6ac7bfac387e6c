"""Versions of an account's health: when there is a new one, and the records it consists of."""

from typing import Final, NamedTuple, TypeAlias

from pipeline.health.account import AccountState, shown_facts
from pipeline.health.alerts import SEVERITIES, AlertTransition, open_alerts
from pipeline.health.components import COMPONENTS
from pipeline.health.derived_state import Shown
from pipeline.health.events import Band, ChangeKind
from pipeline.health.outputs import (
    AlertEvent,
    ComponentMove,
    ComponentScore,
    HealthChange,
    HealthSnapshot,
    OpenAlert,
)
from pipeline.health.scorecard import Scorecard
from pipeline.health.weighing import points_moved
from pipeline.health.windows import day_of

FOLD_VERSION: Final = 3
"""Rises when the arithmetic changes: the same log gives the same bytes only within one number."""

Output: TypeAlias = HealthSnapshot | HealthChange | AlertEvent

_LEAST_POINTS = 1.0
_LEAST_COVERAGE = 0.05
_TRACE = 1e-9  # what floats lose on the way; 0.60 - 0.55 counts as five points


class Verdict(NamedTuple):
    """
    Which account a version is about, and what was decided besides its derived state: the band that is shown,
    the computed one, and by which scorecard.
    """

    account_id: str
    epoch: int
    band: Band
    computed_band: Band
    card: Scorecard | None

    @property
    def card_name(self) -> str:
        """Name of the scorecard, empty while none is active."""
        return "" if self.card is None else self.card.name

    @property
    def card_version(self) -> str:
        """Version of the scorecard, empty while none is active."""
        return "" if self.card is None else self.card.version


def has_moved(state: AccountState, verdict: Verdict) -> bool:
    """Whether score, coverage, band or scorecard differ enough from the last version to be a new one."""
    derived = state.derived
    shown = derived.shown
    score, shown_score = derived.score, shown.score
    if score is None or shown_score is None:
        if score is not shown_score:
            return True
    elif abs(score - shown_score) >= _LEAST_POINTS - _TRACE:
        return True
    card = verdict.card
    return (
        not derived.version
        or verdict.band != shown.band
        or verdict.computed_band != shown.computed_band
        or derived.forced_by != shown.forced_by
        or abs(derived.coverage - shown.coverage) >= _LEAST_COVERAGE - _TRACE
        or shown.card_name != ("" if card is None else card.name)
        or shown.card_version != ("" if card is None else card.version)
    )


def publish(
    state: AccountState, verdict: Verdict, kind: ChangeKind, transitions: list[AlertTransition]
) -> list[Output]:
    """Make the next version: one snapshot, one change, and an alert event for each of *transitions*."""
    derived = state.derived
    before = derived.shown
    derived.version += 1
    now = derived.shown = Shown(
        derived.score,
        verdict.band,
        verdict.computed_band,
        derived.forced_by,
        derived.coverage,
        tuple(derived.scores),
        derived.contributions,
        verdict.card_name,
        verdict.card_version,
    )
    comparable = before.score is not None and now.score is not None
    points = (
        points_moved(before.contributions, now.contributions)
        if comparable
        else [0.0] * len(now.contributions)
    )
    left_off = () if verdict.card is None else verdict.card.left_off
    earlier = before.scores or (None,) * len(now.scores)
    change = HealthChange(
        account_id=verdict.account_id,
        epoch=verdict.epoch,
        version=derived.version,
        kind=kind,
        score_before=before.score,
        score_after=now.score,
        band_before=before.band,
        band_after=now.band,
        coverage_before=before.coverage,
        coverage_after=now.coverage,
        points=tuple(
            [
                ComponentMove(component=component.name, before=old, after=new, points=moved)
                for place, (component, old, new, moved) in enumerate(
                    zip(COMPONENTS, earlier, now.scores, points, strict=True)
                )
                if place not in left_off or moved or old is not None
            ]
        ),
        causes=tuple(derived.causes),
        causes_count=derived.causes_count,
        scorecard_name=verdict.card_name,
        scorecard_version=verdict.card_version,
        scorecard_digest=None if verdict.card is None else verdict.card.digest,
        fold_version=FOLD_VERSION,
        as_of=state.as_of,
    )
    derived.causes = []
    derived.causes_count = 0
    alert_events = [
        _alert_event(state, verdict, kind, transition, (before.score, points)) for transition in transitions
    ]
    return [_snapshot(state, verdict), change, *alert_events]


def _snapshot(state: AccountState, verdict: Verdict) -> HealthSnapshot:
    derived, facts = state.derived, shown_facts(state.facts)
    day = day_of(state.as_of)
    weights: tuple[float, ...] = (0.0,) * len(COMPONENTS)
    left_off: tuple[int, ...] = ()
    if verdict.card is not None:
        weights, left_off = verdict.card.weights, verdict.card.left_off
    return HealthSnapshot(
        account_id=verdict.account_id,
        account_name=facts.name,
        epoch=verdict.epoch,
        version=derived.version,
        score=derived.score,
        band=verdict.band,
        computed_band=verdict.computed_band,
        forced_by=derived.forced_by,
        coverage=derived.coverage,
        components=tuple(
            ComponentScore(
                name=component.name,
                score=score,
                weight=weight,
                points=round(points, 4),
                reason=reason,
                fresh_until=fresh,
            )
            for place, (component, score, weight, points, reason, fresh) in enumerate(
                zip(
                    COMPONENTS,
                    derived.scores,
                    weights,
                    derived.contributions,
                    derived.reasons,
                    derived.fresh_until,
                    strict=True,
                )
            )
            if place not in left_off
        ),
        score_7d_ago=derived.history.score_on(day - 7),
        score_28d_ago=derived.history.score_on(day - 28),
        open_alerts=tuple(
            OpenAlert(
                alert_id=alert.alert_id,
                sign=sign,
                severity=SEVERITIES[alert.severity],
                opened_at=alert.opened_at,
            )
            for sign, alert in open_alerts(state)
        ),
        override=state.override,
        cmrr=facts.cmrr,
        currency=facts.currency,
        renewal_date=facts.renewal_day,
        owner=facts.owner,
        segment=facts.segment,
        region=facts.region,
        lifecycle_stage=facts.lifecycle_stage,
        seats=facts.seats,
        leaves_on=facts.leaves_day,
        closed=state.closed_by is not None,
        scorecard_name=verdict.card_name,
        scorecard_version=verdict.card_version,
        fold_version=FOLD_VERSION,
        as_of=state.as_of,
    )


def _alert_event(
    state: AccountState,
    verdict: Verdict,
    kind: ChangeKind,
    transition: AlertTransition,
    fall: tuple[float | None, list[float]],
) -> AlertEvent:
    """
    The fall the alert stands for where it is known, else *fall*, the change of this version.

    What the passing of time did was due at that time, whatever event it goes back to.
    """
    derived, facts, alert = state.derived, shown_facts(state.facts), transition.alert
    score_before, points = fall if transition.points is None else (transition.score_before, transition.points)
    return AlertEvent(
        alert_id=alert.alert_id,
        sequence=alert.sequence,
        story_id=alert.story_id,
        epoch=verdict.epoch,
        version=derived.version,
        account_id=verdict.account_id,
        account_name=facts.name,
        sign=transition.sign.name,
        transition=transition.transition,
        severity=SEVERITIES[alert.severity],
        score_before=score_before,
        score_after=derived.score,
        points=tuple(
            (component.name, value) for component, value in zip(COMPONENTS, points, strict=True) if value
        ),
        band=verdict.band,
        reason=transition.reason,
        evidence=transition.evidence,
        play=transition.play,
        respond_by=transition.respond_by,
        cmrr=facts.cmrr,
        currency=facts.currency,
        renewal_date=facts.renewal_day,
        owner=facts.owner,
        opened_at=alert.opened_at,
        occurred_at=transition.occurred_at,
        observed_at=transition.observed_at,
        due_at=state.as_of if transition.due_at is None and kind == "TIME" else transition.due_at,
        resolved_by=transition.resolved_by,
        as_of=state.as_of,
    )
