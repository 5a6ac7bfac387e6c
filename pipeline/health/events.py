"""
What an account log can say: resolved, validated and pseudonymised events.

Times are ms UTC, days are days since 1970-01-01, enum values are the symbols of the wire schemas. Each class
of an event says under which *input* its ids are remembered (two inputs may number their events alike), which
kind of *change* it makes, and whom or what it is about: of one input an id belongs to its *subject*, for two
systems may number theirs alike, too.

The classes are not frozen: a frozen one sets each field through ``object.__setattr__``, which would cost a
login a tenth of its whole fold (docs/performance.md). Nobody changes an event all the same.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final, Literal, TypeAlias

Role = Literal["UNKNOWN", "EXECUTIVE", "CHAMPION", "ADMIN", "USER"]
TicketStep = Literal["UNKNOWN", "OPENED", "REPLIED", "ESCALATED", "SOLVED", "REOPENED", "CLOSED"]
TicketSeverity = Literal["UNKNOWN", "P1", "P2", "P3", "P4"]
InvoiceStep = Literal["UNKNOWN", "ISSUED", "OVERDUE", "FAILED", "DISPUTED", "CREDITED", "PAID", "VOID"]
SurveyStep = Literal["UNKNOWN", "SENT", "ANSWERED"]
SurveyKind = Literal["UNKNOWN", "NPS", "CSAT", "CES"]
Segment = Literal["UNKNOWN", "ENTERPRISE", "MID", "SMALL"]
LifecycleStage = Literal["UNKNOWN", "ONBOARDING", "LIVE", "LEAVING", "LEFT"]
ActionKind = Literal["UNKNOWN", "ACKNOWLEDGE", "SNOOZE", "RESOLVE", "OVERRIDE", "NOTE"]
Band = Literal["UNKNOWN", "HEALTHY", "WATCH", "AT_RISK", "CRITICAL"]
ChangeKind = Literal["EVENT", "TIME", "ACTION", "FACTS", "SCORECARD"]


@dataclass(slots=True)
class Login:
    """Somebody used the product; *person* is a keyed hash of eight bytes."""

    input: ClassVar = "login"
    change: ClassVar[ChangeKind] = "EVENT"

    event_id: str
    occurred_at: int
    person: bytes
    role: Role
    channel: str
    feature: str | None = None

    @property
    def subject(self) -> bytes:
        """The person."""
        return self.person


@dataclass(slots=True)
class SupportTicket:
    """
    A step in a ticket's life. Of one ticket the step with the highest (occurred_at, rank, event_id) holds.
    """

    input: ClassVar = "ticket"
    change: ClassVar[ChangeKind] = "EVENT"

    event_id: str
    occurred_at: int
    ticket_id: str
    step: TicketStep
    severity: TicketSeverity
    category: str | None = None
    person: bytes | None = None

    @property
    def subject(self) -> bytes:
        """The ticket."""
        return self.ticket_id.encode()


@dataclass(slots=True)
class Invoice:
    """A step in an invoice's life; *amount* and *recurring_amount* are in *currency*, not negative."""

    input: ClassVar = "invoice"
    change: ClassVar[ChangeKind] = "EVENT"

    event_id: str
    occurred_at: int
    invoice_id: str
    step: InvoiceStep
    amount: Decimal
    currency: str
    due_day: int
    recurring_amount: Decimal | None = None
    period_days: int | None = None

    @property
    def subject(self) -> bytes:
        """The invoice."""
        return self.invoice_id.encode()


@dataclass(slots=True)
class SurveyResponse:
    """A survey sent (no score) or answered (*score* on the scale)."""

    input: ClassVar = "survey"
    change: ClassVar[ChangeKind] = "EVENT"

    event_id: str
    occurred_at: int
    survey_id: str
    step: SurveyStep
    kind: SurveyKind
    score: int | None
    scale_min: int
    scale_max: int
    higher_is_better: bool
    person: bytes | None
    role: Role
    comment_length: int

    @property
    def subject(self) -> bytes:
        """The survey."""
        return self.survey_id.encode()


@dataclass(slots=True)
class AccountFacts:
    """The account's own facts; which of an account's facts hold is decided by ``facts_hold``."""

    input: ClassVar = "account"
    change: ClassVar[ChangeKind] = "FACTS"

    event_id: str
    occurred_at: int
    name: str
    segment: Segment
    lifecycle_stage: LifecycleStage
    seats: int | None = None
    cmrr: Decimal | None = None
    currency: str | None = None
    renewal_day: int | None = None
    notice_day: int | None = None
    leaves_day: int | None = None
    owner: str | None = None
    region: str | None = None
    industry: str | None = None
    time_zone: str | None = None
    start_day: int | None = None

    @property
    def subject(self) -> bytes:
        """The account itself."""
        return b""


@dataclass(slots=True)
class AccountClosed:
    """The account feed has deleted the account."""

    input: ClassVar = "account"
    change: ClassVar[ChangeKind] = "FACTS"

    event_id: str
    occurred_at: int

    @property
    def subject(self) -> bytes:
        """The account itself."""
        return b""


FactsVersion: TypeAlias = tuple[int, str]
"""(occurred_at, event_id) of account facts."""


def facts_hold(arrived: FactsVersion, known: FactsVersion | None) -> bool:
    """
    Whether facts that arrive replace the *known* ones of their account: for the fold and for the directory.

    The highest (occurred_at, event_id) holds, in whatever order they arrive. A closing has no time of its
    own, so it holds when it arrives, and any facts behind it open the account again: *known* is ``None``
    then.
    """
    return known is None or arrived > known


@dataclass(slots=True)
class Action:
    """What a person did; *until* is the expiry of an override or a snooze, ms UTC."""

    input: ClassVar = "action"
    change: ClassVar[ChangeKind] = "ACTION"

    event_id: str
    occurred_at: int
    kind: ActionKind
    author: str
    reason: str | None = None
    alert_id: str | None = None
    band: Band | None = None
    until: int | None = None

    @property
    def subject(self) -> bytes:
        """The account itself."""
        return b""


Event: TypeAlias = Login | SupportTicket | Invoice | SurveyResponse | AccountFacts | AccountClosed | Action


@dataclass(slots=True)
class Tick:
    """Everything that was in the inputs at the entry's ``observed_at`` stands before it."""


@dataclass(slots=True)
class Scorecards:
    """The scorecards that score every later entry, as TOML documents sorted by name."""

    documents: list[str]


NO_EVENT: Final = (Tick, Scorecards)
"""
Bodies that are about no account. A tuple, because ``Tick | Scorecards`` is built again for each entry that is
asked.
"""


@dataclass(slots=True)
class LogEntry:
    """
    One entry of the account log.

    *source*, *partition* and *offset* say where an event came from: an input's short name and Kafka position,
    or ``file:<hash>``, 0 and the line of a history file. Ticks and scorecards have an empty source.
    """

    observed_at: int
    source: str
    partition: int
    offset: int
    body: Event | Tick | Scorecards
