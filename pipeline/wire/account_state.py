"""
An account's state as a row of plain values and back, for ``pipeline.wire.state``.

Everything the fold's future depends on, in a fixed order; so what is encoded, decoded and encoded again is the same bytes.
Columns are copied as memory, which is little-endian on every machine this runs on.
"""

import sys
from array import array
from decimal import Decimal
from typing import Any, Final

from pipeline.health.account import AccountState
from pipeline.health.events import AccountClosed, AccountFacts
from pipeline.health.invoices import Bill
from pipeline.health.outputs import Cause, Override
from pipeline.health.people import KeyPeople, People
from pipeline.health.standing import Alert, Shown, Standing
from pipeline.health.tickets import DONE, STEPS, Ticket
from pipeline.health.windows import Ring

_TICKETS: Final = 21
"""Place of the tickets among an account's fields."""

assert sys.byteorder == "little", "states hold columns as little-endian memory; this machine is big-endian"


def account_fields(state: AccountState) -> tuple[Any, ...]:
    """The account's values, standing last."""
    facts, closed, override, people = state.facts, state.closed_by, state.override, state.people
    tickets, invoices, seen = state.tickets, state.invoices, state.seen_ids
    return (
        state.as_of,
        state.clock,
        state.due_at,
        state.roll_offset,
        None if facts is None else _facts_fields(facts),
        None if closed is None else (closed.event_id, closed.occurred_at),
        None if override is None else (override.band, override.author, override.reason, override.expires_at),
        state.override_key,
        state.actions,
        state.first_day,
        state.first_login_day,
        state.active_window,
        (state.seats_before, state.seats_since),
        _ring_fields(state.logins),
        _ring_fields(state.login_weeks),
        (bytes(people.ids), people.last_days.tobytes(), people.active_days.tobytes(), people.roles.tobytes()),
        state.last_login_at,
        state.last_login_heard_at,
        state.longest_gap,
        state.allowed_silence,
        state.key_people,
        (
            [_ticket_fields(name, ticket) for name, ticket in tickets.book.open.items()],
            [_ticket_fields(name, ticket) for name, ticket in tickets.book.closed.items()],
            tickets.book.forgotten_at,
            tickets.last_step_at,
            _ring_fields(tickets.opened),
            _ring_fields(tickets.opened_weeks),
            _ring_fields(tickets.escalated),
            _ring_fields(tickets.reopened),
        ),
        (state.surveys.rows.tobytes(), state.surveys.forgotten_day),
        (
            [_bill_fields(name, bill) for name, bill in invoices.book.open.items()],
            [_bill_fields(name, bill) for name, bill in invoices.book.closed.items()],
            invoices.book.forgotten_at,
            invoices.last_step_at,
        ),
        (bytes(seen.hashes), seen.next_slot),
        _standing_fields(state.standing),
    )


def account_of(fields: Any) -> AccountState:
    """The account of values that ``account_fields`` made."""
    (
        as_of, clock, due_at, roll_offset, facts, closed, override, override_key, actions, first_day, first_login_day,
        active_window, seats, logins, login_weeks,
        people, last_login_at, last_login_heard_at, longest_gap, allowed_silence, key_people, tickets, surveys, invoices,
        seen, standing,
    ) = fields  # fmt: skip
    state = AccountState(roll_offset, len(standing[0]))
    state.as_of, state.clock, state.due_at = as_of, clock, due_at
    state.facts = None if facts is None else _facts_of(facts)
    state.closed_by = None if closed is None else AccountClosed(*closed)
    if override is not None:
        band, author, reason, expires_at = override
        state.override = Override(band=band, author=author, reason=reason, expires_at=expires_at)
    state.override_key, state.actions, state.first_day = tuple(override_key), actions, first_day
    state.first_login_day, state.active_window = first_login_day, active_window
    state.seats_before, state.seats_since = seats
    _fill(state.logins, logins)
    _fill(state.login_weeks, login_weeks)
    state.people = People(*people)
    state.last_login_at, state.last_login_heard_at = last_login_at, last_login_heard_at
    state.longest_gap, state.allowed_silence = longest_gap, allowed_silence
    state.key_people = KeyPeople._make(key_people)
    _fill_tickets(state, tickets)
    rows, state.surveys.forgotten_day = surveys
    state.surveys.rows.frombytes(rows)
    open_bills, closed_bills, state.invoices.book.forgotten_at, state.invoices.last_step_at = invoices
    state.invoices.book.open = dict(map(_bill_of, open_bills))
    state.invoices.book.closed = dict(map(_bill_of, closed_bills))
    hashes, state.seen_ids.next_slot = seen
    state.seen_ids.hashes += hashes
    _fill_standing(state.standing, standing)
    return state


def account_of_1(fields: list[Any]) -> list[Any]:
    """Fields of version 1 as version 2 has them: a ticket that is not open was solved by its last step."""
    tickets = fields[_TICKETS]
    for ticket in (*tickets[0], *tickets[1]):
        _, at, rank, *_ = ticket
        ticket.append([at] if STEPS[rank] in DONE else [])
    return fields


def _facts_fields(facts: AccountFacts) -> tuple[Any, ...]:
    return (
        facts.event_id,
        facts.occurred_at,
        facts.name,
        facts.segment,
        facts.lifecycle_stage,
        facts.seats,
        None if facts.cmrr is None else str(facts.cmrr),
        facts.currency,
        facts.renewal_day,
        facts.notice_day,
        facts.leaves_day,
        facts.owner,
        facts.region,
        facts.industry,
        facts.time_zone,
        facts.start_day,
    )


def _facts_of(fields: Any) -> AccountFacts:
    facts = AccountFacts(*fields)
    facts.cmrr = None if fields[6] is None else Decimal(fields[6])
    return facts


def _ring_fields(ring: Ring) -> tuple[int, bytes]:
    """Counts from the oldest bucket on, without the zeros they begin with: most weekly rings are young."""
    return ring.newest, ring.counts.tobytes().lstrip(b"\0")


def _fill(ring: Ring, fields: tuple[int, bytes]) -> None:
    newest, counts = fields
    if newest >= 0:
        ring.restore(newest, counts)


def _ticket_fields(name: str, ticket: Ticket) -> tuple[Any, ...]:
    return (
        name,
        *ticket.key,
        ticket.severity,
        ticket.opened_at,
        ticket.replied_at,
        ticket.reopened_at,
        ticket.counted,
        ticket.solved,
    )


def _ticket_of(fields: Any) -> tuple[str, Ticket]:
    name, at, rank, event_id, severity, opened_at, replied_at, reopened_at, counted, solved = fields
    key = (at, rank, event_id)
    return name, Ticket(key, severity, opened_at, replied_at, reopened_at, counted, tuple(solved))


def _fill_tickets(state: AccountState, fields: Any) -> None:
    tickets = state.tickets
    opened, closed, tickets.book.forgotten_at, tickets.last_step_at, *rings = fields
    tickets.book.open = dict(map(_ticket_of, opened))
    tickets.book.closed = dict(map(_ticket_of, closed))
    for ring, ring_fields in zip(
        (tickets.opened, tickets.opened_weeks, tickets.escalated, tickets.reopened), rings, strict=True
    ):
        _fill(ring, ring_fields)


def _bill_fields(name: str, bill: Bill) -> tuple[Any, ...]:
    recurring = None if bill.recurring_amount is None else str(bill.recurring_amount)
    return name, *bill.key, str(bill.amount), bill.currency, bill.due_day, recurring, bill.period_days


def _bill_of(fields: Any) -> tuple[str, Bill]:
    name, at, rank, event_id, amount, currency, due_day, recurring, period_days = fields
    recurring_amount = None if recurring is None else Decimal(recurring)
    return name, Bill((at, rank, event_id), Decimal(amount), currency, due_day, recurring_amount, period_days)


def _standing_fields(standing: Standing) -> tuple[Any, ...]:
    history = standing.history
    return (
        standing.scores,
        standing.reasons,
        standing.fresh_until,
        standing.look_again_at,
        standing.contributions,
        standing.score,
        standing.coverage,
        standing.scored_day,
        standing.card_name,
        standing.cards_offset,
        (history.newest, history.scores.tobytes(), history.components.tobytes()),
        standing.band,
        standing.band_due_at,
        standing.beyond_since,
        standing.forced_by,
        standing.forced_due_at,
        [
            (
                name,
                alert.alert_id,
                alert.story_id,
                alert.episode,
                alert.sequence,
                alert.severity,
                alert.opened_at,
                alert.resolved_at,
                alert.score_before,
            )
            for name, alert in standing.alerts.items()
        ],
        standing.version,
        standing.shown,
        [
            (cause.event_id, cause.topic, cause.partition, cause.offset, cause.occurred_at)
            for cause in standing.causes
        ],
        standing.causes_count,
        standing.moved_occurred_at,
        standing.moved_heard_at,
    )


def _fill_standing(standing: Standing, fields: Any) -> None:
    (
        scores, reasons, fresh_until, look_again_at, contributions, standing.score, standing.coverage,
        standing.scored_day, standing.card_name, standing.cards_offset, history, standing.band, standing.band_due_at,
        beyond_since, standing.forced_by, standing.forced_due_at, alerts, standing.version, shown, causes,
        standing.causes_count, standing.moved_occurred_at, standing.moved_heard_at,
    ) = fields  # fmt: skip
    standing.scores, standing.reasons = scores, reasons
    standing.fresh_until, standing.look_again_at = fresh_until, look_again_at
    standing.contributions = tuple(contributions)
    standing.beyond_since = beyond_since
    standing.history.newest, history_scores, history_components = history
    standing.history.scores = array("i", history_scores)
    standing.history.components = array("h", history_components)
    standing.alerts = {name: Alert(*rest) for name, *rest in alerts}
    score, band, computed_band, forced_by, coverage, shown_scores, shown_contributions, *card = shown
    standing.shown = Shown(
        score,
        band,
        computed_band,
        forced_by,
        coverage,
        tuple(shown_scores),
        tuple(shown_contributions),
        *card,
    )
    standing.causes = [
        Cause(event_id=event_id, topic=topic, partition=partition, offset=offset, occurred_at=occurred_at)
        for event_id, topic, partition, offset, occurred_at in causes
    ]
