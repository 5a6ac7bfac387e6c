"""
What is known of one account, and what each event changes in it.

The state is the fold's own and changes in place. How it scores, in which band it stands and what alarms is
decided by ``components``, ``bands`` and ``alerts`` over it; its bytes are ``pipeline.wire.state``'s.
"""

from decimal import Decimal
from typing import NamedTuple, assert_never

from pipeline.health.derived_state import DerivedState
from pipeline.health.dirty import (
    EVERYTHING,
    EVICTED,
    FACTS,
    INVOICES,
    LEFT_OUT,
    LOGINS,
    NOTHING,
    RHYTHM,
    SHOWN,
    SPONSOR,
    SURVEYS,
    TICKETS,
)
from pipeline.health.events import (
    AccountClosed,
    AccountFacts,
    Action,
    Event,
    Invoice,
    LifecycleStage,
    Login,
    Segment,
    SupportTicket,
    SurveyResponse,
    facts_hold,
)
from pipeline.health.history import ScoreHistory
from pipeline.health.invoices import Invoices
from pipeline.health.outputs import Override
from pipeline.health.people import EVICTED_OTHERS, MEMORY_DAYS, NOBODY, SPONSORS, KeyPeople, People
from pipeline.health.seen_ids import SeenIds
from pipeline.health.surveys import Surveys
from pipeline.health.tickets import Tickets
from pipeline.health.windows import DAY, WEEK_STARTS, Ring

LOGIN_WEEKS = 60
"""A year of weeks, and those before it to compare with."""

_RECENT_DAYS = 7
"""Who was seen so few days ago counts as active in every scorecard, and as missing in none."""


class Volume(NamedTuple):
    """
    Logins of whole days against the usual, as of *day* and by one scorecard: points, and the sentence.

    Points are None while there is too little to compare with.
    """

    day: int
    card_name: str
    points: float | None
    reason: str


class ShownFacts(NamedTuple):
    """Facts that snapshots and alerts repeat; None for what is not known."""

    name: str | None = None
    cmrr: Decimal | None = None
    currency: str | None = None
    renewal_day: int | None = None
    owner: str | None = None
    segment: Segment | None = None
    region: str | None = None
    lifecycle_stage: LifecycleStage | None = None
    seats: int | None = None
    leaves_day: int | None = None


NO_FACTS = ShownFacts()


class AccountState:
    """
    One account; a time or day of 0 means never.

    *as_of* is the highest ``observed_at`` of the account's entries and timers. *watermark* is the time of the
    partition when the account was last scored: all that happened up to it has been heard, so only deadlines
    up to it have passed.

    *first_day* is the first we heard of: what an old invoice or old facts tell of was not heard then.
    *first_login_day* is that of the first login. *seats_before* is the number of seats until more were bought
    on the day *seats_since*. *longest_gap* (days) and *allowed_silence* (ms) are the account's rhythm, 0
    while unknown. *active_window* is the number of days in which its scorecard counts people as active.
    *roll_offset* says how many ms after midnight its day is scored if nothing else happens.

    Not stored are *queued_at* (due time the fold's heap holds for it), *size* (bytes when last written) and
    *volume*, what the usage component last made of whole days of logins.
    """

    __slots__ = (
        "actions",
        "active_window",
        "allowed_silence",
        "as_of",
        "closed_by",
        "derived",
        "due_at",
        "facts",
        "first_day",
        "first_login_day",
        "invoices",
        "key_people",
        "last_login_at",
        "last_login_heard_at",
        "login_weeks",
        "logins",
        "longest_gap",
        "override",
        "override_key",
        "people",
        "queued_at",
        "roll_offset",
        "seats_before",
        "seats_since",
        "seen_ids",
        "size",
        "surveys",
        "tickets",
        "volume",
        "watermark",
    )

    def __init__(self, roll_offset: int, components: tuple[str, ...]) -> None:
        self.as_of = self.watermark = self.due_at = self.queued_at = self.size = 0
        self.roll_offset = roll_offset
        self.facts: AccountFacts | None = None
        self.closed_by: AccountClosed | None = None
        self.override: Override | None = None
        self.override_key = (0, "")
        self.actions = 0
        self.seats_before = self.seats_since = 0
        self.derived = DerivedState(components)
        self._know_nothing()

    def _know_nothing(self) -> None:
        self.first_day = self.first_login_day = 0
        self.active_window = _RECENT_DAYS
        self.logins = Ring(MEMORY_DAYS, "H")
        self.login_weeks = Ring(LOGIN_WEEKS)
        self.people = People()
        self.volume: Volume | None = None
        self.last_login_at = self.last_login_heard_at = self.longest_gap = self.allowed_silence = 0
        self.key_people: KeyPeople = NOBODY
        self.tickets = Tickets()
        self.surveys = Surveys()
        self.invoices = Invoices()
        self.seen_ids = SeenIds()

    @property
    def dark_at(self) -> int:
        """When the account counts as dark unless somebody logs in; 0 if its rhythm is unknown."""
        return self.last_login_at + self.allowed_silence if self.allowed_silence else 0

    def next_deadline(self) -> int:
        """
        When, after ``watermark``, an override expires or the account leaves, whichever is first; 0 if neither
        is ahead.
        """
        override, facts, due = self.override, self.facts, 0
        if override is not None and override.expires_at is not None and override.expires_at > self.watermark:
            due = override.expires_at
        if facts is not None and facts.leaves_day is not None:
            leaves_at = facts.leaves_day * DAY
            if leaves_at > self.watermark and (not due or leaves_at < due):
                due = leaves_at
        return due

    def has_left(self) -> bool:
        """Whether by the clock the account is no longer a customer, though its record is still there."""
        facts = self.facts
        if facts is None:
            return False
        return facts.lifecycle_stage == "LEFT" or (
            facts.leaves_day is not None and facts.leaves_day * DAY <= self.watermark
        )

    def apply(self, event: Event, observed_at: int) -> int:  # noqa: PLR0911 - one an event
        """Take in an event that is new, with ``as_of`` moved on to it; returns what it changed."""
        if self.closed_by is not None and not isinstance(event, AccountFacts):
            return LEFT_OUT
        day = event.occurred_at // DAY
        match event:
            case Login():
                return self._logged_in(event, day, observed_at)
            case SupportTicket():
                return self._noted(TICKETS, day, kept=self.tickets.apply(event))
            case Invoice():
                return self._noted(INVOICES, self.as_of // DAY, kept=self.invoices.apply(event))
            case SurveyResponse():
                return self._noted(SURVEYS, self.as_of // DAY, kept=self.surveys.apply(event, day))
            case AccountFacts():
                return self._learned(event)
            case AccountClosed():
                return self._closed(event)
            case Action():
                return self._acted_on(event)
            case _:
                assert_never(event)

    def forget(self, day: int) -> None:
        """Drop what no window reaches any more on *day*."""
        self.people.forget(day)
        self.tickets.forget(day)
        self.surveys.forget(day)
        self.invoices.forget(day)

    def _noted(self, dirty: int, day: int, *, kept: bool) -> int:
        if not kept:
            return LEFT_OUT
        self.first_day = min(self.first_day or day, day)
        return dirty

    def _logged_in(self, login: Login, day: int, observed_at: int) -> int:
        counted = self.logins.add(day)
        if counted < 0:
            return LEFT_OUT
        dirty = NOTHING if counted else RHYTHM
        self.login_weeks.add((day + WEEK_STARTS) // 7)
        if day < self.first_login_day or not self.first_login_day:
            self.first_login_day = day
            self.first_day = min(self.first_day or day, day)
        last_seen = self.people.saw(login.person, day, login.role)
        if last_seen == EVICTED_OTHERS:
            dirty |= EVICTED
        if login.occurred_at > self.last_login_at:
            if 0 < self.dark_at <= self.watermark:
                dirty |= LOGINS
            self.last_login_at, self.last_login_heard_at = login.occurred_at, observed_at
        if last_seen <= day - self.active_window:
            dirty |= LOGINS
        if login.role in SPONSORS and last_seen <= day - _RECENT_DAYS:
            dirty |= LOGINS | SPONSOR
        if day < self.as_of // DAY:
            # Volumes count whole days, so today's logins cannot move them; late ones can.
            self.volume = self.tickets.usual = None
            dirty |= LOGINS
        return dirty

    def _learned(self, facts: AccountFacts) -> int:
        known = None if self.facts is None or self.closed_by is not None else self.facts
        known_version = None if known is None else (known.occurred_at, known.event_id)
        if not facts_hold((facts.occurred_at, facts.event_id), known_version):
            return NOTHING
        shown = (
            SHOWN if self.closed_by is not None or shown_facts(self.facts) != shown_facts(facts) else NOTHING
        )
        day = facts.occurred_at // DAY
        seats_before = 0 if self.facts is None else self.facts.seats or 0
        if facts.seats is not None and facts.seats != seats_before:
            # The first number known is no purchase of new seats.
            self.seats_before, self.seats_since = seats_before or facts.seats, day
        self.facts = facts
        self.closed_by = None
        today = self.as_of // DAY
        self.first_day = min(self.first_day or today, today)
        return FACTS | shown

    def _closed(self, closed: AccountClosed) -> int:
        self.closed_by = closed
        self.override = None
        self.derived.history = ScoreHistory(len(self.derived.components))
        self._know_nothing()
        return EVERYTHING | SHOWN

    def _acted_on(self, action: Action) -> int:
        if action.kind != "OVERRIDE":
            self.actions += 1
            return NOTHING
        key = (action.occurred_at, action.event_id)
        if key <= self.override_key:
            return NOTHING
        self.override_key = key
        self.override = None
        if action.band is not None:
            self.override = Override(
                band=action.band, author=action.author, reason=action.reason or "", expires_at=action.until
            )
        return SHOWN


def shown_facts(facts: AccountFacts | None) -> ShownFacts:
    """The facts of an account that snapshots and alerts repeat."""
    if facts is None:
        return NO_FACTS
    return ShownFacts(
        facts.name,
        facts.cmrr,
        facts.currency,
        facts.renewal_day,
        facts.owner,
        facts.segment,
        facts.region,
        facts.lifecycle_stage,
        facts.seats,
        facts.leaves_day,
    )
