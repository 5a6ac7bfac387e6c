"""
An account's state as a list of plain values and back, for ``pipeline.wire.state``.

Everything the fold's future depends on, in a fixed order; so what is encoded, decoded and encoded again is
the same bytes. Columns are copied as memory, which is little-endian on every machine this runs on.
"""

import sys
from array import array
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Final

from pipeline.health.account import AccountState
from pipeline.health.components import COMPONENT_NAMES
from pipeline.health.derived_state import Alert, DerivedState, Shown
from pipeline.health.events import AccountClosed, AccountFacts
from pipeline.health.history import ScoreHistory
from pipeline.health.invoices import Bill, Invoices
from pipeline.health.lifecycle import Entry
from pipeline.health.outputs import Cause, Override
from pipeline.health.people import KeyPeople, People
from pipeline.health.seen_ids import SeenIds
from pipeline.health.surveys import Surveys
from pipeline.health.tickets import DONE, STEPS, Ticket, Tickets
from pipeline.health.windows import Ring
from pipeline.wire.state_fields import Field, FieldList

assert sys.byteorder == "little", "states hold columns as little-endian memory; this machine is big-endian"

_FIRST_COMPONENTS: Final = ("usage", "support", "sentiment", "billing")
"""Those of states that do not say which they hold: of all before version 3."""


def account_fields(state: AccountState) -> list[Any]:
    """The account's values."""
    return _ACCOUNT.plain(state)


def account_of(fields: list[Any]) -> AccountState:
    """The account of values that ``account_fields`` made, for the components of this program."""
    state = AccountState(0, COMPONENT_NAMES)
    _ACCOUNT.fill(state, fields)
    state.derived.arrange(COMPONENT_NAMES)
    return state


def account_of_1(fields: list[Any]) -> list[Any]:
    """Fields of version 1 as version 2 has them: a ticket that is not open was solved by its last step."""
    tickets = fields[21]
    for ticket in (*tickets[0], *tickets[1]):
        _, at, rank, *_ = ticket
        ticket.append([at] if STEPS[rank] in DONE else [])
    return fields


def account_of_2(fields: list[Any]) -> list[Any]:
    """Fields of version 2 as version 3 has them: the two numbers of seats are no pair any more."""
    fields[12:13] = fields[12]
    return fields


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _memory(column: Any) -> bytes:
    """A column as bytes."""
    return column.tobytes() if isinstance(column, array) else bytes(column)


def _optional(name: str, kind: type[Any], fields: FieldList[Any]) -> Field:
    """An object of *kind*, or None."""
    return Field(
        name,
        write=lambda value: None if value is None else fields.plain(value),
        read=lambda plain: None if plain is None else kind(*fields.values(plain)),
    )


def _part(name: str, fields: FieldList[Any]) -> Field:
    """An object that every account has, and that is filled where it stands."""
    return Field(name, write=fields.plain, fill=fields.fill)


def _ring(name: str) -> Field:
    """Counts from the oldest bucket on, without the zeros they begin with: most weekly rings are young."""
    return Field(name, write=lambda ring: (ring.newest, ring.counts.tobytes().lstrip(b"\0")), fill=_fill_ring)


def _fill_ring(ring: Ring, plain: tuple[int, bytes]) -> None:
    newest, counts = plain
    if newest >= 0:
        ring.restore(newest, counts)


def _entries(name: str, kind: Callable[..., Entry], fields: FieldList[Any]) -> Field:
    """The entries of a lifecycle by id: id, the three parts of the key, and the fields."""

    def entry_of(plain: list[Any]) -> tuple[str, Entry]:
        entry_id, at, rank, event_id, *rest = plain
        return entry_id, kind((at, rank, event_id), *fields.values(rest))

    return Field(
        name,
        write=lambda entries: [(i, *entry.key, *fields.plain(entry)) for i, entry in entries.items()],
        read=lambda plain: dict(map(entry_of, plain)),
    )


_FACTS: Final = FieldList[AccountFacts](
    Field("event_id"),
    Field("occurred_at"),
    Field("name"),
    Field("segment"),
    Field("lifecycle_stage"),
    Field("seats"),
    Field("cmrr", _text, _decimal),
    Field("currency"),
    Field("renewal_day"),
    Field("notice_day"),
    Field("leaves_day"),
    Field("owner"),
    Field("region"),
    Field("industry"),
    Field("time_zone"),
    Field("start_day"),
)
_CLOSED: Final = FieldList[AccountClosed](Field("event_id"), Field("occurred_at"))
_OVERRIDE: Final = FieldList[Override](Field("band"), Field("author"), Field("reason"), Field("expires_at"))
_PEOPLE: Final = FieldList[People](
    Field("ids", _memory),
    Field("last_days", _memory),
    Field("active_days", _memory),
    Field("roles", _memory),
    Field("evicted", default=0),
)
_TICKET: Final = FieldList[Ticket](
    Field("severity"),
    Field("opened_at"),
    Field("replied_at"),
    Field("reopened_at"),
    Field("counted"),
    Field("solved", read=tuple),
)
_TICKETS: Final = FieldList[Tickets](
    _entries("lifecycle.open", Ticket, _TICKET),
    _entries("lifecycle.closed", Ticket, _TICKET),
    Field("lifecycle.forgotten_at"),
    Field("last_step_at"),
    _ring("opened"),
    _ring("opened_weeks"),
    _ring("escalated"),
    _ring("reopened"),
)
_SURVEYS: Final = FieldList[Surveys](Field("rows", _memory, partial(array, "H")), Field("forgotten_day"))
_BILL: Final = FieldList[Bill](
    Field("amount", str, Decimal),
    Field("currency"),
    Field("due_day"),
    Field("recurring_amount", _text, _decimal),
    Field("period_days"),
)
_INVOICES: Final = FieldList[Invoices](
    _entries("lifecycle.open", Bill, _BILL),
    _entries("lifecycle.closed", Bill, _BILL),
    Field("lifecycle.forgotten_at"),
    Field("last_step_at"),
)
_SEEN_IDS: Final = FieldList[SeenIds](Field("hashes", bytes, bytearray), Field("next_slot"))
_HISTORY: Final = FieldList[ScoreHistory](
    Field("newest"),
    Field("scores", _memory, partial(array, "i")),
    Field("components", _memory, partial(array, "h")),
)
_ALERT: Final = FieldList[Alert](
    Field("alert_id"),
    Field("story_id"),
    Field("episode"),
    Field("sequence"),
    Field("severity"),
    Field("opened_at"),
    Field("resolved_at"),
    Field("score_before"),
)
_SHOWN: Final = FieldList[Shown](
    Field("score"),
    Field("band"),
    Field("computed_band"),
    Field("forced_by"),
    Field("coverage"),
    Field("scores", read=tuple),
    Field("contributions", read=tuple),
    Field("card_name"),
    Field("card_version"),
)
_CAUSE: Final = FieldList[Cause](
    Field("event_id"), Field("topic"), Field("partition"), Field("offset"), Field("occurred_at")
)
_DERIVED: Final = FieldList[DerivedState](
    Field("scores"),
    Field("reasons"),
    Field("fresh_until"),
    Field("look_again_at"),
    Field("contributions", read=tuple),
    Field("score"),
    Field("coverage"),
    Field("scored_day"),
    Field("card_name"),
    Field("cards_offset"),
    _part("history", _HISTORY),
    Field("band"),
    Field("band_due_at"),
    Field("beyond_since"),
    Field("forced_by"),
    Field("forced_due_at"),
    Field(
        "alerts",
        write=lambda alerts: [(sign, *_ALERT.plain(alert)) for sign, alert in alerts.items()],
        read=lambda plain: {sign: Alert(*_ALERT.values(rest)) for sign, *rest in plain},
    ),
    Field("version"),
    Field("shown", read=lambda plain: Shown(*_SHOWN.values(plain))),
    Field(
        "causes",
        write=lambda causes: list(map(_CAUSE.plain, causes)),
        read=lambda plain: [
            Cause(**dict(zip(_CAUSE.names, _CAUSE.values(cause), strict=True))) for cause in plain
        ],
    ),
    Field("causes_count"),
    Field("moved_occurred_at"),
    Field("moved_heard_at"),
    Field("components", read=tuple, default=_FIRST_COMPONENTS),
)
_ACCOUNT: Final = FieldList[AccountState](
    Field("as_of"),
    Field("watermark"),
    Field("due_at"),
    Field("roll_offset"),
    _optional("facts", AccountFacts, _FACTS),
    _optional("closed_by", AccountClosed, _CLOSED),
    Field(
        "override",
        write=lambda override: None if override is None else _OVERRIDE.plain(override),
        read=lambda plain: (
            None
            if plain is None
            else Override(**dict(zip(_OVERRIDE.names, _OVERRIDE.values(plain), strict=True)))
        ),
    ),
    Field("override_key", read=tuple),
    Field("actions"),
    Field("first_day"),
    Field("first_login_day"),
    Field("active_window"),
    Field("seats_before"),
    Field("seats_since"),
    _ring("logins"),
    _ring("login_weeks"),
    Field("people", _PEOPLE.plain, lambda plain: People(*_PEOPLE.values(plain))),
    Field("last_login_at"),
    Field("last_login_heard_at"),
    Field("longest_gap"),
    Field("allowed_silence"),
    Field("key_people", read=KeyPeople._make),
    _part("tickets", _TICKETS),
    _part("surveys", _SURVEYS),
    _part("invoices", _INVOICES),
    _part("seen_ids", _SEEN_IDS),
    _part("derived", _DERIVED),
)
