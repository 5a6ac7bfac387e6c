"""
Scorecards as values: every number the scoring uses, by the name it has in the TOML file.

Reading and checking them is ``scorecard_reading``'s; what the numbers mean in words stands in docs/scoring.md.
The annotation of a field says what it may be.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pipeline.health.curves import Curve, Steps
from pipeline.health.events import LifecycleStage, Segment
from pipeline.health.outputs import Severity


class Between(NamedTuple):
    """Range of a number, both ends allowed."""

    least: float
    most: float


class Runs(NamedTuple):
    """Shape of a curve or stairs: it never turns, and its heights lie from 0 to *most*."""

    way: Literal["up", "down"]
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bands:
    """Where the bands begin, and what a change of band takes."""

    healthy_from: Annotated[float, Between(0, 100)]
    watch_from: Annotated[float, Between(0, 100)]
    at_risk_from: Annotated[float, Between(0, 100)]
    hysteresis: Annotated[float, Between(0, 20)]
    hold_minutes: Annotated[float, Between(0, 1440)]
    least_coverage: Annotated[float, Between(0, 1)]
    past_due_days: Annotated[int, Between(1, 3650)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """People and logins."""

    breadth_weight: Annotated[float, Between(0, 100)]
    volume_weight: Annotated[float, Between(0, 100)]
    key_people_weight: Annotated[float, Between(0, 100)]
    active_days: Annotated[int, Between(7, 63)]
    breadth_least_days: Annotated[int, Between(0, 63)]
    breadth: Annotated[Curve, Runs("up", 100)]
    new_seats_days: Annotated[int, Between(1, 365)]
    expected_seats: Annotated[Curve, Runs("up", 1)]
    volume: Annotated[Curve, Runs("up", 100)]
    volume_baseline_days: Annotated[int, Between(14, 42)]
    volume_least_weekly: Annotated[float, Between(0.1, 10_000)]
    silence: Annotated[Curve, Runs("down", 1)]
    missing_days: Annotated[int, Between(7, 60)]
    regular_days: Annotated[int, Between(1, 60)]
    power_user_days: Annotated[int, Between(1, 28)]
    key_people: Annotated[Curve, Runs("up", 100)]
    sponsor_missing: Annotated[float, Between(0, 100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Tickets. Minutes and hours run by the clock; of the four numbers of a list the first is P1's."""

    volume: Annotated[Curve, Runs("down", 100)]
    volume_least_tickets: Annotated[int, Between(1, 1000)]
    baseline_weeks: Annotated[int, Between(1, 52)]
    baseline_least_weeks: Annotated[int, Between(1, 52)]
    baseline_floor: Annotated[float, Between(0.1, 100)]
    growth_most: Annotated[float, Between(1, 10)]
    reply_minutes: Annotated[tuple[float, float, float, float], Between(1, 100_000)]
    solve_hours: Annotated[tuple[float, float, float, float], Between(0.1, 10_000)]
    open_p1: Annotated[float, Between(0, 100)]
    breach: Annotated[tuple[float, float, float, float], Between(0, 100)]
    late_reply_share: Annotated[float, Between(0, 1)]
    solved_late_share: Annotated[float, Between(0, 1)]
    escalated: Annotated[float, Between(0, 100)]
    reopened: Annotated[float, Between(0, 100)]
    counted_most: Annotated[int, Between(1, 100)]
    old_days: Annotated[int, Between(1, 365)]
    old: Annotated[float, Between(0, 100)]
    regular_tickets: Annotated[float, Between(0, 1000)]
    silent_days: Annotated[int, Between(1, 63)]
    silent: Annotated[float, Between(0, 100)]
    fresh_days: Annotated[int, Between(1, 3650)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    """Answers to surveys."""

    nps: Annotated[Steps, Runs("up", 100)]
    csat: Annotated[Curve, Runs("up", 100)]
    ces: Annotated[Curve, Runs("up", 100)]
    decision_maker_weight: Annotated[float, Between(0, 10)]
    half_life_days: Annotated[float, Between(1, 365)]
    fresh_days: Annotated[int, Between(1, 90)]
    neutral: Annotated[float, Between(0, 100)]
    neutral_weight: Annotated[float, Between(0, 100)]
    unanswered: Annotated[float, Between(0, 100)]
    unanswered_weight: Annotated[float, Between(0, 10)]
    unanswered_after_days: Annotated[int, Between(0, 90)]
    unanswered_least: Annotated[int, Between(1, 1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """Invoices."""

    past_due: Annotated[Curve, Runs("down", 100)]
    habit_least_invoices: Annotated[int, Between(1, 13)]
    habit_most_days: Annotated[int, Between(0, 365)]
    disputed: Annotated[float, Between(0, 100)]
    failed: Annotated[float, Between(0, 100)]
    counted_most: Annotated[int, Between(1, 100)]
    recurring: Annotated[Curve, Runs("up", 100)]
    recurring_days: Annotated[int, Between(30, 180)]
    fresh_days: Annotated[int, Between(1, 3650)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WentDark:
    """The silence of a whole account."""

    severity: Severity
    play: str
    minimum_days: Annotated[float, Between(0, 365)]
    factor: Annotated[float, Between(0, 100)]
    least_active_days: Annotated[int, Between(2, 56)]
    least_span_days: Annotated[int, Between(1, 56)]
    window_days: Annotated[int, Between(7, 63)]
    few_seats: Annotated[int, Between(0, 100_000)]
    few_seats_minimum_days: Annotated[float, Between(0, 365)]
    empty_week_days: Annotated[float, Between(0, 60)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDrop:
    """A fall of the score."""

    severity: Severity
    play: str
    points: Annotated[float, Between(1, 100)]
    within_days: Annotated[int, Between(1, 7)]
    hysteresis: Annotated[float, Between(0, 50)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BandEntered:
    """The account came into a bad band."""

    at_risk_severity: Severity
    critical_severity: Severity
    play: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """What holds for the alerts of every sign; of the hours the first is INFO's, the last CRITICAL's."""

    renewal_days: Annotated[int, Between(0, 3650)]
    reopen_hours: Annotated[tuple[float, float, float, float], Between(0, 10_000)]
    respond_hours: Annotated[tuple[float, float, float, float], Between(0, 10_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """
    All numbers for one kind of account.

    *segments* are those it serves. *weights* are in the order of ``COMPONENTS``. A card with *onboarding_days* serves the
    accounts of every segment that are younger, or whose stage is ONBOARDING; 0 on all others.
    """

    name: str
    version: str
    segments: tuple[Segment, ...]
    onboarding_days: Annotated[int, Between(0, 730)]
    weights: tuple[float, ...]
    bands: Bands
    usage: Usage
    support: Support
    sentiment: Sentiment
    billing: Billing
    went_dark: WentDark
    score_drop: ScoreDrop
    band_entered: BandEntered
    alerts: Alerts


class ScorecardSet:
    """
    The scorecards in force. Construct it with ``scorecard_reading.read_scorecards``, which checks them.

    *documents* are the TOML texts the cards were read from, sorted by the cards' names.
    """

    __slots__ = ("_by_segment", "_onboarding", "cards", "documents")

    def __init__(self, cards: tuple[Scorecard, ...], documents: tuple[str, ...]) -> None:
        self.cards = cards
        self.documents = documents
        self._by_segment = {segment: card for card in cards for segment in card.segments}
        self._onboarding = next((card for card in cards if card.onboarding_days), None)

    def of(self, segment: Segment, stage: LifecycleStage, age_days: int | None) -> Scorecard:
        """Scorecard of an account; *age_days* counts from its start date, None if that is unknown."""
        onboarding = self._onboarding
        if onboarding is not None and (
            stage == "ONBOARDING" or (age_days is not None and age_days < onboarding.onboarding_days)
        ):
            return onboarding
        return self._by_segment[segment]
