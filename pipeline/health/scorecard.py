"""
Scorecards as values: every number the scoring uses, by the name it has in the TOML file.

Reading and checking them is ``pipeline.scorecards``'s work; what the numbers mean in words stands in
docs/scoring.md. The annotation of a field says what it may be. Its default is what a scorecard means that
does not have the field: older scorecards in logs and folders rely on it, so a default never changes, and the
default of a new field leaves scores as they were.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

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

    healthy_from: Annotated[float, Between(0, 100)] = 75
    watch_from: Annotated[float, Between(0, 100)] = 50
    at_risk_from: Annotated[float, Between(0, 100)] = 25
    hysteresis: Annotated[float, Between(0, 20)] = 3
    hold_minutes: Annotated[float, Between(0, 1440)] = 10
    least_coverage: Annotated[float, Between(0, 1)] = 0.5
    past_due_days: Annotated[int, Between(1, 3650)] = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """People and logins."""

    breadth_weight: Annotated[float, Between(0, 100)] = 45
    volume_weight: Annotated[float, Between(0, 100)] = 35
    key_people_weight: Annotated[float, Between(0, 100)] = 20
    active_days: Annotated[int, Between(7, 63)] = 28
    breadth_least_days: Annotated[int, Between(0, 63)] = 14
    breadth: Annotated[Curve, Runs("up", 100)] = Curve((0, 0.5, 0.8, 1), (0, 50, 75, 100))
    new_seats_days: Annotated[int, Between(1, 365)] = 60
    expected_seats: Annotated[Curve, Runs("up", 1)] = Curve((0,), (1,))
    volume: Annotated[Curve, Runs("up", 100)] = Curve((0, 0.5, 0.8, 1), (0, 50, 75, 100))
    volume_baseline_days: Annotated[int, Between(14, 42)] = 28
    volume_least_weekly: Annotated[float, Between(0.1, 10_000)] = 5
    silence: Annotated[Curve, Runs("down", 1)] = Curve((0.99, 1, 2, 4), (1, 0.6, 0.2, 0))
    missing_days: Annotated[int, Between(7, 60)] = 21
    regular_days: Annotated[int, Between(1, 60)] = 6
    power_user_days: Annotated[int, Between(1, 28)] = 12
    key_people: Annotated[Curve, Runs("up", 100)] = Curve((0, 0.8, 1), (0, 75, 100))
    sponsor_missing: Annotated[float, Between(0, 100)] = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Tickets. Minutes and hours run by the clock; of the four numbers of a list the first is P1's."""

    volume: Annotated[Curve, Runs("down", 100)] = Curve((1, 2, 3, 6), (100, 75, 50, 0))
    volume_least_tickets: Annotated[int, Between(1, 1000)] = 4
    baseline_weeks: Annotated[int, Between(1, 52)] = 26
    baseline_least_weeks: Annotated[int, Between(1, 52)] = 8
    baseline_floor: Annotated[float, Between(0.1, 100)] = 3
    growth_most: Annotated[float, Between(1, 10)] = 3
    reply_minutes: Annotated[tuple[float, float, float, float], Between(1, 100_000)] = (15, 60, 240, 480)
    solve_hours: Annotated[tuple[float, float, float, float], Between(0.1, 10_000)] = (4, 8, 24, 72)
    open_p1: Annotated[float, Between(0, 100)] = 10
    breach: Annotated[tuple[float, float, float, float], Between(0, 100)] = (25, 12, 6, 3)
    late_reply_share: Annotated[float, Between(0, 1)] = 0.5
    solved_late_share: Annotated[float, Between(0, 1)] = 0.5
    escalated: Annotated[float, Between(0, 100)] = 8
    reopened: Annotated[float, Between(0, 100)] = 6
    counted_most: Annotated[int, Between(1, 100)] = 3
    old_days: Annotated[int, Between(1, 365)] = 14
    old: Annotated[float, Between(0, 100)] = 5
    regular_tickets: Annotated[float, Between(0, 1000)] = 4
    silent_days: Annotated[int, Between(1, 63)] = 60
    silent: Annotated[float, Between(0, 100)] = 70
    fresh_days: Annotated[int, Between(1, 3650)] = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    """Answers to surveys."""

    nps: Annotated[Steps, Runs("up", 100)] = Steps((0, 7, 9), (0, 60, 100))
    csat: Annotated[Curve, Runs("up", 100)] = Curve((1, 2, 3, 4, 5), (0, 20, 50, 80, 100))
    ces: Annotated[Curve, Runs("up", 100)] = Curve((1, 4, 7), (0, 50, 100))
    decision_maker_weight: Annotated[float, Between(0, 10)] = 2
    half_life_days: Annotated[float, Between(1, 365)] = 45
    fresh_days: Annotated[int, Between(1, 90)] = 90
    neutral: Annotated[float, Between(0, 100)] = 60
    neutral_weight: Annotated[float, Between(0, 100)] = 2
    unanswered: Annotated[float, Between(0, 100)] = 40
    unanswered_weight: Annotated[float, Between(0, 10)] = 0.5
    unanswered_after_days: Annotated[int, Between(0, 90)] = 14
    unanswered_least: Annotated[int, Between(1, 1000)] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """Invoices."""

    past_due: Annotated[Curve, Runs("down", 100)] = Curve((0, 6, 7, 29, 30, 60), (100, 80, 74, 50, 45, 0))
    habit_least_invoices: Annotated[int, Between(1, 13)] = 3
    habit_most_days: Annotated[int, Between(0, 365)] = 30
    disputed: Annotated[float, Between(0, 100)] = 25
    failed: Annotated[float, Between(0, 100)] = 15
    counted_most: Annotated[int, Between(1, 100)] = 2
    recurring: Annotated[Curve, Runs("up", 100)] = Curve((0.5, 0.8, 0.9), (60, 85, 100))
    recurring_days: Annotated[int, Between(30, 180)] = 90
    fresh_days: Annotated[int, Between(1, 3650)] = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class WentDark:
    """The silence of a whole account."""

    severity: Severity = "WARNING"
    play: str = "Call the owner of the account and ask what changed in the week of the last login."
    minimum_days: Annotated[float, Between(0, 365)] = 3
    factor: Annotated[float, Between(0, 100)] = 2
    least_active_days: Annotated[int, Between(2, 56)] = 5
    least_span_days: Annotated[int, Between(1, 56)] = 14
    window_days: Annotated[int, Between(7, 63)] = 56
    few_seats: Annotated[int, Between(0, 100_000)] = 10
    few_seats_minimum_days: Annotated[float, Between(0, 365)] = 11
    empty_week_days: Annotated[float, Between(0, 60)] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDrop:
    """A fall of the score."""

    severity: Severity = "WARNING"
    play: str = "Look at the components that moved and at the events behind them."
    points: Annotated[float, Between(1, 100)] = 15
    within_days: Annotated[int, Between(1, 7)] = 7
    hysteresis: Annotated[float, Between(0, 50)] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BandEntered:
    """The account came into a bad band."""

    at_risk_severity: Severity = "WARNING"
    critical_severity: Severity = "HIGH"
    play: str = "Look at the weakest component first, and agree with the owner on one step for it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """What holds for the alerts of every sign; of the hours the first is INFO's, the last CRITICAL's."""

    renewal_days: Annotated[int, Between(0, 3650)] = 90
    reopen_hours: Annotated[tuple[float, float, float, float], Between(0, 10_000)] = (24, 24, 24, 4)
    respond_hours: Annotated[tuple[float, float, float, float], Between(0, 10_000)] = (168, 72, 24, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """
    All numbers for one kind of account.

    *segments* are those it serves. A card with *onboarding_days* serves the accounts of every segment that
    are younger, or whose stage is ONBOARDING; 0 on all others.

    *weights* are in the order of ``COMPONENTS``. *left_off* are the places there of components that the
    scorecard does not name: they are not assessed and stand in no output, while one of weight 0 is shown and
    counts nothing. The table of a sign is None where the sign is off. *digest* names the contents: scorecards
    of one name and version with other numbers have different ones.
    """

    name: str
    version: str
    digest: str = ""
    segments: tuple[Segment, ...] = ()
    onboarding_days: Annotated[int, Between(0, 730)] = 0
    weights: tuple[float, ...]
    left_off: tuple[int, ...] = ()
    bands: Bands = Bands()
    usage: Usage = Usage()
    support: Support = Support()
    sentiment: Sentiment = Sentiment()
    billing: Billing = Billing()
    went_dark: WentDark | None = None
    score_drop: ScoreDrop | None = None
    band_entered: BandEntered | None = None
    alerts: Alerts = Alerts()


USUAL_SILENCE: Final = WentDark()
USUAL_FALL: Final = ScoreDrop()
"""Numbers of signs that other parts of the score need, too, for scorecards that leave the sign off."""


class ScorecardSet:
    """
    The scorecards that are active together. ``pipeline.scorecards`` constructs and checks them.

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


ReadScorecards: TypeAlias = Callable[[tuple[str, ...]], ScorecardSet]
"""
Reads the documents of a log entry; ``pipeline.scorecards.read_documents``, and whoever folds hands it in.
Raises ``TelltaleError``.
"""
