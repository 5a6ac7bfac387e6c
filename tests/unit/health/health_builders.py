"""Events with defaults, and a partition whose log a test writes line by line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from pipeline.health.account import AccountState
from pipeline.health.components import COMPONENT_NAMES
from pipeline.health.events import (
    AccountFacts,
    Event,
    Invoice,
    InvoiceStep,
    LogEntry,
    Login,
    Role,
    Scorecards,
    SupportTicket,
    SurveyResponse,
    SurveyStep,
    Tick,
    TicketSeverity,
    TicketStep,
)
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent, HealthChange, HealthSnapshot
from pipeline.health.scorecard import ScorecardSet
from pipeline.health.windows import DAY, HOUR, MINUTE
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.scorecards.reading import Document, read_scorecards

MONDAY = 20_507
"""23 February 2026, in days since 1970; most stories begin here."""
START = MONDAY * DAY
WHOLE = 1 << 60
CARDS = load_scorecards()
MID = CARDS.of("MID", "LIVE", None)

_numbers = count(1)


def person(number: int) -> bytes:
    return number.to_bytes(8, "big")


def login(at: int, who: int = 1, role: Role = "USER", event_id: str = "") -> Login:
    return Login(event_id or f"login-{next(_numbers)}", at, person(who), role, "WEB")


def ticket(
    at: int,
    step: TicketStep = "OPENED",
    ticket_id: str = "T-1",
    severity: TicketSeverity = "P3",
    event_id: str = "",
) -> SupportTicket:
    return SupportTicket(event_id or f"ticket-{next(_numbers)}", at, ticket_id, step, severity)


def invoice(
    at: int,
    step: InvoiceStep = "ISSUED",
    invoice_id: str = "INV-1",
    *,
    due_day: int | None = None,
    amount: str = "1000.00",
    recurring: str | None = None,
    event_id: str = "",
) -> Invoice:
    return Invoice(
        event_id or f"invoice-{next(_numbers)}",
        at,
        invoice_id,
        step,
        Decimal(amount),
        "EUR",
        at // DAY + 14 if due_day is None else due_day,
        None if recurring is None else Decimal(recurring),
        None if recurring is None else 30,
    )


def nps(at: int, score: int | None, role: Role = "USER") -> SurveyResponse:
    """An NPS answer; without a score, one that was only sent."""
    number = next(_numbers)
    step: SurveyStep = "SENT" if score is None else "ANSWERED"
    return SurveyResponse(
        f"survey-{number}", at, f"S-{number}", step, "NPS", score, 0, 10, True, person(1), role, 0
    )


def facts(at: int = START, **changes: object) -> AccountFacts:
    values: dict[str, object] = {
        "event_id": f"facts-{next(_numbers)}",
        "occurred_at": at,
        "name": "Alder & Finch",
        "segment": "MID",
        "lifecycle_stage": "LIVE",
        "seats": 10,
        "cmrr": Decimal("18400.00"),
        "currency": "EUR",
        "owner": "mara.lindqvist",
        "start_day": MONDAY - 400,
    }
    return AccountFacts(**(values | changes))  # type: ignore[arg-type]


def scorecards_with(**numbers: object) -> ScorecardSet:
    """The shipped scorecards with some numbers changed everywhere: ``bands__hold_minutes=0``."""
    changes = {tuple(name.split("__")): value for name, value in numbers.items()}
    texts = []
    for text in CARDS.documents:
        table, lines, missing = "", [], dict(changes)
        for line in text.splitlines():
            table = line.strip("[]") if line.startswith("[") else table
            key = line.split(" =")[0]
            changed = (table, key) in missing
            lines.append(f"{key} = {missing.pop((table, key))}" if changed else line)
        assert not missing, f"not in the scorecards: {missing}"
        texts.append("\n".join(lines))
    return read_scorecards(Document(f"card {number}", text) for number, text in enumerate(texts))


def new_state() -> AccountState:
    return AccountState(roll_offset=6 * HOUR, components=COMPONENT_NAMES)


def state_after(*events: Event, watermark: int = 0) -> AccountState:
    """A state that has heard *events* as they happened, without being scored."""
    state = new_state()
    for event in events:
        state.as_of = max(state.as_of, event.occurred_at)
        state.apply(event, event.occurred_at)
    state.watermark = max(watermark, state.as_of)
    state.as_of = state.watermark
    return state


def entry(event: Event | Tick | Scorecards, at: int, number: int, source: str = "test") -> LogEntry:
    return LogEntry(at, source, 0, number, event)


@dataclass
class Partition:
    """A fold, the log written so far, and everything it handed out."""

    cards: ScorecardSet | None = field(default_factory=lambda: CARDS)
    fold: PartitionFold = field(default_factory=lambda: PartitionFold(0, read_documents))
    snapshots: list[HealthSnapshot] = field(default_factory=list)
    changes: list[HealthChange] = field(default_factory=list)
    alerts: list[AlertEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.offset = 0
        if self.cards is not None:
            self.advance(Scorecards(list(self.cards.documents)), 0)

    def hear(self, event: Event, account: str = "alder", at: int | None = None) -> None:
        """The event, observed *at* or as it happened."""
        observed_at = event.occurred_at if at is None else at
        self.fold.apply(account, entry(event, observed_at, self.offset), self.offset)
        self.offset += 1
        self.collect()

    def hear_all(self, events: Iterable[Event], account: str = "alder") -> None:
        for event in events:
            self.hear(event, account)

    def tick(self, at: int) -> None:
        self.advance(Tick(), at)

    def advance(self, body: Tick | Scorecards, at: int) -> None:
        assert self.fold.advance(entry(body, at, 0), self.offset, WHOLE)
        self.offset += 1
        self.collect()

    def run_until(self, at: int, every: int = HOUR) -> None:
        """Ticks from the partition's clock on, *every* so often, the last one exactly *at*."""
        watermark = self.fold.watermark or at - every
        while watermark < at:
            watermark = min(watermark + every, at)
            self.tick(watermark)

    def collect(self) -> None:
        for _, output in self.fold.take_step().outputs:
            if isinstance(output, HealthSnapshot):
                self.snapshots.append(output)
            elif isinstance(output, HealthChange):
                self.changes.append(output)
            else:
                self.alerts.append(output)

    def state(self, account: str = "alder") -> AccountState:
        return self.fold.states[account]

    def transitions(self, sign: str) -> list[str]:
        """Transitions of a sign's alerts, in order."""
        return [alert.transition for alert in self.alerts if alert.sign == sign]


def office_weeks(weeks: int, people: int = 8, start_day: int = MONDAY) -> list[Login]:
    """Everybody signs in at nine, Monday to Friday."""
    return [
        login(day * DAY + 9 * HOUR + who * MINUTE, who)
        for day in range(start_day, start_day + 7 * weeks)
        if (day - MONDAY) % 7 < 5
        for who in range(1, people + 1)
    ]


def living_account(weeks: int = 8, **changes: object) -> Partition:
    """An account with some weeks of office life, paid invoices and a clock that stands at its last login."""
    partition = Partition()
    partition.hear(facts(START, **changes))
    for event in office_weeks(weeks):
        if event.occurred_at // DAY != partition.fold.watermark // DAY:
            partition.tick(event.occurred_at - MINUTE)
        partition.hear(event)
    partition.hear(invoice(partition.state().last_login_at, "PAID", due_day=MONDAY + 7 * weeks + 10))
    partition.tick(partition.state().last_login_at)
    return partition
