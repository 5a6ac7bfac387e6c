"""Tickets, invoices and surveys: which step holds, and what late ones can still do."""

from itertools import permutations

from pipeline.health.invoices import MAX_CLOSED, PAID, Invoices
from pipeline.health.surveys import MEMORY_DAYS, Surveys
from pipeline.health.tickets import REMEMBER_CLOSED_DAYS, Ticket, Tickets
from pipeline.health.windows import DAY, HOUR, day_of
from tests.unit.health.health_builders import START, invoice, nps, ticket

TICKET_LIFE = (
    ticket(START, "OPENED", severity="P2"),
    ticket(START + HOUR, "REPLIED", severity="P2"),
    ticket(START + 2 * HOUR, "ESCALATED", severity="P1"),
    ticket(START + 3 * HOUR, "SOLVED", severity="P1"),
    ticket(START + 9 * HOUR, "REOPENED", severity="P3"),
)


def test_a_ticket_is_the_same_whatever_the_order_of_its_steps() -> None:
    """The step with the highest time holds; opening, reply and reopening keep their own."""
    day = day_of(START)
    for order in permutations(TICKET_LIFE):
        tickets = Tickets()

        assert all(tickets.apply(step) for step in order)

        assert tickets.lifecycle.open["T-1"] == Ticket(
            key=(START + 9 * HOUR, 5, TICKET_LIFE[4].event_id),
            severity=3,
            opened_at=START,
            replied_at=START + HOUR,
            reopened_at=START + 9 * HOUR,
            counted=True,
        )
        counts = [ring.total(day, day) for ring in (tickets.opened, tickets.escalated, tickets.reopened)]
        assert counts == [1, 1, 1]


def test_a_late_opening_does_not_revive_a_closed_ticket() -> None:
    """The closed step is newer, so it holds; the opening only tells since when."""
    tickets = Tickets()
    tickets.apply(ticket(START + HOUR, "CLOSED"))

    tickets.apply(ticket(START, "OPENED"))

    assert not tickets.lifecycle.open
    assert tickets.lifecycle.closed["T-1"].opened_at == START


def test_of_two_steps_at_one_time_the_rank_and_then_the_event_id_decide() -> None:
    """A tie has one outcome, whichever comes last."""
    solved, reopened = ticket(START, "SOLVED", event_id="a"), ticket(START, "REOPENED", event_id="a")
    one, two = ticket(START, "OPENED", event_id="a", severity="P1"), ticket(START, "OPENED", event_id="b")
    for first, second in ((solved, reopened), (reopened, solved), (one, two), (two, one)):
        tickets = Tickets()
        tickets.apply(first)
        tickets.apply(second)

        held = tickets.lifecycle.open["T-1"]
        assert (held.key[1], held.severity) in {(5, 3), (1, 3)}


def test_a_step_that_may_belong_to_a_forgotten_ticket_is_left_out() -> None:
    """
    After the published bound a late opening can no longer revive what was closed, because it is not taken at
    all.
    """
    tickets = Tickets()
    tickets.apply(ticket(START, "CLOSED"))
    tickets.forget(day_of(START) + REMEMBER_CLOSED_DAYS + 1)

    assert not tickets.apply(ticket(START - HOUR, "OPENED"))
    assert tickets.apply(ticket(START + HOUR, "OPENED", "T-2"))
    assert list(tickets.lifecycle.open) == ["T-2"]


def test_forgetting_something_older_does_not_open_the_door_again() -> None:
    """The bound is the newest step ever forgotten."""
    tickets = Tickets()
    tickets.apply(ticket(START + 2 * HOUR, "CLOSED", "T-1"))
    tickets.apply(ticket(START, "CLOSED", "T-2"))
    tickets.forget(day_of(START) + REMEMBER_CLOSED_DAYS + 1)

    assert not tickets.apply(ticket(START + HOUR, "OPENED", "T-1"))


def test_an_invoice_stays_paid_when_its_issue_is_told_late() -> None:
    """Of one invoice the newest step holds."""
    invoices = Invoices()
    invoices.apply(invoice(START + DAY, "PAID"))

    invoices.apply(invoice(START, "ISSUED"))

    assert not invoices.lifecycle.open
    assert invoices.lifecycle.closed["INV-1"].key[1] == PAID


def test_closed_invoices_are_forgotten_oldest_first_beyond_the_bound() -> None:
    """A state does not grow with the years."""
    invoices = Invoices()

    for number in range(MAX_CLOSED + 3):
        invoices.apply(invoice(START + number * DAY, "PAID", f"INV-{number}"))

    assert list(invoices.lifecycle.closed) == [f"INV-{number}" for number in range(3, MAX_CLOSED + 3)]
    assert invoices.lifecycle.forgotten_at == START + 2 * DAY


def test_the_usual_days_late_are_the_median_of_the_paid_invoices() -> None:
    """One invoice paid very late does not make a habit, and neither do two."""
    invoices = Invoices()
    today = day_of(START)
    for number, late in enumerate((5, 6, 90)):
        assert invoices.usual_days_late(3) == 0
        invoices.apply(invoice(START, "PAID", f"INV-{number}", due_day=today - late))

    assert invoices.usual_days_late(3) == 6


def test_the_monthly_amount_is_that_of_the_invoices_whose_period_lasts() -> None:
    """Two subscriptions add up, and an overlap of some days does not count double."""
    invoices = Invoices()
    due = day_of(START)
    for number, (start, amount) in enumerate(
        ((due, "300"), (due + 28, "300"), (due, "90"), (due + 30, "90"))
    ):
        invoices.apply(invoice(START, "ISSUED", f"INV-{number}", due_day=start, recurring=amount))

    (monthly,) = invoices.monthly_recurring(due + 45).values()

    assert round(monthly) == round(390 * 30.4375 / 30)


def test_surveys_are_the_same_whatever_the_order() -> None:
    """Rows are sums per day and answer."""
    events = [nps(START, 9), nps(START + DAY, 3, "EXECUTIVE"), nps(START, None), nps(START, 9), nps(START, 7)]
    one, other = Surveys(), Surveys()

    for event in events:
        one.apply(event, day_of(event.occurred_at))
    for event in reversed(events):
        other.apply(event, day_of(event.occurred_at))

    assert one.rows == other.rows
    assert [row.number for row in one.answers() if row.answer == 9] == [2]


def test_an_answer_that_is_forgotten_is_not_taken_again() -> None:
    """
    A late answer older than the memory is left out, so that the outcome does not depend on when the day was
    scored.
    """
    surveys = Surveys()
    day = day_of(START)
    surveys.forget(day)

    assert not surveys.apply(nps(START, 9), day - MEMORY_DAYS)
    assert surveys.apply(nps(START, 9), day - MEMORY_DAYS + 1)


def test_an_effort_scale_turned_round_is_turned_back() -> None:
    """Low effort is a good answer, whichever end of the scale says so."""
    surveys = Surveys()
    event = nps(START, 1)
    event.kind, event.scale_min, event.scale_max, event.higher_is_better = "CES", 1, 7, False

    surveys.apply(event, day_of(START))

    assert surveys.answers()[0].answer == 7
