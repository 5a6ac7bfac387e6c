"""
What ``reading`` answers with: the portfolio, accounts, changes, alerts, freshness.

A field that bears the name of a column holds that column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

Group: TypeAlias = Literal["segment", "owner", "region"]
Json: TypeAlias = Mapping[str, Any]
"""A part of a record as the schema has it, times as ISO text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioLine:
    """
    Customers of today in one group and one currency; *cmrr* is per month, and 0 where no account tells it.
    """

    group: str | None
    currency: str | None
    accounts: int
    accounts_at_risk: int
    cmrr: Decimal
    cmrr_at_risk: Decimal
    accounts_without_cmrr: int
    accounts_by_band: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHealth:
    """Facts and latest health of one account; *left* if it is a customer no more."""

    account_id: str
    name: str | None
    segment: str | None
    lifecycle_stage: str | None
    owner: str | None
    region: str | None
    seats: int | None
    cmrr: Decimal | None
    currency: str | None
    renewal_date: date | None
    leaves_on: date | None
    closed: bool
    left: bool
    epoch: int
    version: int
    score: float | None
    score_7d_ago: float | None
    score_28d_ago: float | None
    band: str
    computed_band: str
    forced_by: str | None
    coverage: float
    components: list[Json]
    open_alerts: list[Json]
    override: Json | None
    scorecard_name: str
    scorecard_version: str
    as_of: datetime
    scored_at: datetime | None
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version of an account's health: what it moved, and the events that did it."""

    epoch: int
    version: int
    kind: str
    as_of: datetime
    score_before: float | None
    score_after: float | None
    band_before: str
    band_after: str
    coverage_before: float
    coverage_after: float
    points: list[Json]
    causes: list[Json]
    causes_count: int
    scorecard_name: str
    scorecard_version: str
    scored_at: datetime | None
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One transition of an alert; where the latest is asked for, its state."""

    alert_id: str
    sequence: int
    story_id: str
    account_id: str
    account_name: str | None
    sign: str
    transition: str
    severity: str
    score_before: float | None
    score_after: float | None
    points: list[Json]
    band: str
    reason: str
    evidence: list[Json]
    play: str
    respond_by: datetime | None
    cmrr: Decimal | None
    currency: str | None
    renewal_date: date | None
    owner: str | None
    opened_at: datetime
    occurred_at: datetime | None
    observed_at: datetime | None
    due_at: datetime | None
    resolved_by: str | None
    as_of: datetime
    scored_at: datetime | None
    committed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an account stands where it stands: *changes* newest first, *alerts* that are open, oldest first."""

    account: AccountHealth
    changes: tuple[Change, ...]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """
    How new the newest rows are; None where there is none yet.

    *row_seconds_p50* and *_p99* are from the moment a worker scored a change until its row was written, over
    the changes written in the last hour and not more than a day old then.
    """

    accounts: int
    newest_as_of: datetime | None
    newest_committed_at: datetime | None
    now: datetime
    rows_last_hour: int
    row_seconds_p50: float | None
    row_seconds_p99: float | None
