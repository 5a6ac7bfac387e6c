"""
What the fold hands out: snapshots, changes and alert events, with event and log times only.

Field names, meanings and units are those of ``schemas/health_snapshot``, ``health_change`` and
``alert_event``; ``pipeline/wire`` turns them into bytes. Days are days since 1970-01-01, times ms UTC. The
classes are not frozen, for the same reason as those of ``events``: it would cost a quarter of a version.
Nobody changes an output all the same.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pipeline.health.events import Band, ChangeKind

Severity = Literal["INFO", "WARNING", "HIGH", "CRITICAL"]
Transition = Literal["OPENED", "ESCALATED", "ACKNOWLEDGED", "SNOOZED", "RESOLVED", "REOPENED"]


@dataclass(slots=True, kw_only=True)
class ComponentScore:
    """One component of a score; *points* is what it adds to the score, see the schema."""

    name: str
    score: float | None
    weight: float
    points: float
    reason: str
    fresh_until: int | None


@dataclass(slots=True, kw_only=True)
class OpenAlert:
    """An alert that is open."""

    alert_id: str
    sign: str
    severity: Severity
    opened_at: int


@dataclass(slots=True, kw_only=True)
class Override:
    """A person's word over the computed band."""

    band: Band
    author: str
    reason: str
    expires_at: int | None


@dataclass(slots=True, kw_only=True)
class HealthSnapshot:
    """The latest health of one account."""

    account_id: str
    account_name: str | None
    epoch: int
    version: int
    score: float | None
    band: Band
    computed_band: Band
    forced_by: str | None
    coverage: float
    components: tuple[ComponentScore, ...]
    score_7d_ago: float | None
    score_28d_ago: float | None
    open_alerts: tuple[OpenAlert, ...]
    override: Override | None
    cmrr: Decimal | None
    currency: str | None
    renewal_date: int | None
    owner: str | None
    segment: str | None
    region: str | None
    lifecycle_stage: str | None
    seats: int | None
    leaves_on: int | None
    closed: bool
    scorecard_name: str
    scorecard_version: str
    fold_version: int
    as_of: int


@dataclass(slots=True, kw_only=True)
class ComponentMove:
    """What one component did between two versions."""

    component: str
    before: float | None
    after: float | None
    points: float


@dataclass(slots=True, kw_only=True)
class Cause:
    """
    An input event that is part of a change; *topic* is the log entry's source, which the wire turns into a
    topic name.
    """

    event_id: str
    topic: str
    partition: int
    offset: int
    occurred_at: int


@dataclass(slots=True, kw_only=True)
class HealthChange:
    """One change of an account's health and what made it."""

    account_id: str
    epoch: int
    version: int
    kind: ChangeKind
    score_before: float | None
    score_after: float | None
    band_before: Band
    band_after: Band
    coverage_before: float
    coverage_after: float
    points: tuple[ComponentMove, ...]
    causes: tuple[Cause, ...]
    causes_count: int
    scorecard_name: str
    scorecard_version: str
    scorecard_digest: str | None
    fold_version: int
    as_of: int


@dataclass(slots=True, kw_only=True)
class Evidence:
    """One fact behind a sign; *usual* is what is usual for this account, or the limit."""

    fact: str
    value: float
    usual: float | None = None


@dataclass(slots=True, kw_only=True)
class AlertEvent:
    """One transition in the life of an alert."""

    alert_id: str
    sequence: int
    story_id: str
    epoch: int
    version: int
    account_id: str
    account_name: str | None
    sign: str
    transition: Transition
    severity: Severity
    score_before: float | None
    score_after: float | None
    points: tuple[tuple[str, float], ...]
    band: Band
    reason: str
    evidence: tuple[Evidence, ...]
    play: str
    respond_by: int | None
    cmrr: Decimal | None
    currency: str | None
    renewal_date: int | None
    owner: str | None
    opened_at: int
    occurred_at: int | None
    observed_at: int | None
    due_at: int | None
    resolved_by: str | None
    as_of: int
