"""The support component."""

from itertools import permutations

import pytest

from pipeline.health.account import AccountState
from pipeline.health.components.support import score_support
from pipeline.health.events import SupportTicket
from pipeline.health.tickets import solve_limits
from pipeline.health.windows import DAY, HOUR, MINUTE
from tests.unit.health.health_builders import MID, MONDAY, START, login, state_after, ticket

LIMITS = solve_limits(MID.support.solve_hours)


def solved(day: int, number: int) -> list[SupportTicket]:
    """A P3 ticket that was answered and solved within its SLA."""
    at, name = day * DAY, f"old-{number}"
    return [
        ticket(at + step_at, step, name)  # type: ignore[arg-type]
        for step_at, step in ((0, "OPENED"), (HOUR, "REPLIED"), (2 * HOUR, "SOLVED"))
    ]


def regular() -> list[SupportTicket]:
    """A customer who calls once a week, 4.3 times in 30 days, up to START."""
    return [step for number, day in enumerate(range(MONDAY - 140, MONDAY, 7)) for step in solved(day, number)]


def surge(tickets: int) -> list[SupportTicket]:
    """The usual customer, with so many tickets in the last 30 days."""
    usual = [step for step in regular() if step.occurred_at < START - 30 * DAY]
    return usual + [step for number in range(tickets) for step in solved(MONDAY - 1, 100 + number)]


def score_of(state: AccountState, now: int) -> float | None:
    return score_support(state, now, MID).score


def test_support_is_unknown_until_a_ticket_is_seen_and_long_after_the_last() -> None:
    """No ticket is no praise; and after half a year nobody can say."""
    never = state_after(login(START))
    long_ago = state_after(*solved(MONDAY, 1), watermark=START + 181 * DAY)

    assert score_support(never, START, MID) == (None, "no ticket seen yet", None, 0)
    assert score_support(long_ago, long_ago.as_of, MID).reason == "no ticket for 180 days"


def test_a_customer_who_calls_regularly_and_is_answered_is_healthy() -> None:
    """More tickets mean a healthier customer on average."""
    state = state_after(*regular(), watermark=START)

    assert score_support(state, START, MID)[:2] == (100, "4 tickets in 30 days, usually 4.3 (0.9x)")


@pytest.mark.parametrize(
    ("tickets", "least", "most"), [(8, 75, 99), (9, 50, 74.9), (12, 50, 74.9), (13, 0, 49.9)]
)
def test_tickets_are_judged_against_the_accounts_own_usual(tickets: int, least: float, most: float) -> None:
    """Up to twice the usual is healthy, up to three times a watch, more is poor."""
    state = state_after(*surge(tickets), watermark=START)

    assert least <= (score_of(state, START) or 0) <= most


def test_five_tickets_are_no_surge_where_one_is_usual() -> None:
    """Small numbers jump, so little is not divided by."""
    seldom = [step for day in range(MONDAY - 140, MONDAY - 30, 30) for step in solved(day, day)]
    recent = [step for number in range(5) for step in solved(MONDAY - 1, number)]
    state = state_after(*seldom, *recent, watermark=START)

    assert (score_of(state, START) or 0) > 50


def test_a_roll_out_may_bring_tickets_with_its_people() -> None:
    """Where logins doubled, twice the tickets are usual."""
    logins = [
        login((MONDAY - back) * DAY, who) for back in range(140) for who in range(4 if back < 29 else 2)
    ]
    state = state_after(*surge(13), *logins, watermark=START)

    assert (score_of(state, START) or 0) >= 75


def test_silence_where_tickets_were_regular_is_a_watch() -> None:
    """Nobody asks any more: worth a look, not an alarm."""
    often = [step for day in range(MONDAY - 140, MONDAY, 6) for step in solved(day, day)]
    state = state_after(*often, watermark=START + 61 * DAY)

    assessment = score_support(state, state.as_of, MID)

    assert assessment.score == 70
    assert assessment.reason.startswith("no ticket for")


def test_a_p1_costs_more_from_the_moment_its_sla_ends() -> None:
    """The deadline is told beforehand, so that the fold can look again on time."""
    state = state_after(ticket(START, severity="P1"), ticket(START + MINUTE, "REPLIED", severity="P1"))
    end = START + 4 * HOUR

    before = score_support(state, end - 1, MID)
    state.watermark = end
    after = score_support(state, end, MID)

    assert before.look_again_at == end
    assert before[:2] == (90, "a P1 open for 3 h 59 min")
    assert after[:2] == (65, "a P1 open for 4 h (SLA 4 h)")


def test_a_deadline_has_not_passed_while_the_clock_stands() -> None:
    """An event observed after the deadline does not say that the solution was not told yet."""
    state = state_after(ticket(START, severity="P1"), ticket(START + MINUTE, "REPLIED", severity="P1"))
    state.watermark = START + HOUR

    assert score_of(state, START + 6 * HOUR) == 90


def test_a_ticket_nobody_replied_to_costs_half_a_breach() -> None:
    """First response has its own promise."""
    state = state_after(ticket(START, severity="P2"))
    state.watermark = START + HOUR

    assert score_support(state, START + HOUR, MID)[:2] == (94, "a P2 without a reply for 1 h")


def test_escalations_and_reopenings_are_told_and_counted_up_to_a_bound() -> None:
    """The fourth says nothing new."""
    steps = [ticket(START + number * HOUR, "ESCALATED") for number in range(5)]
    state = state_after(ticket(START), ticket(START + 1, "REPLIED"), *steps)
    state.watermark = START + 5 * HOUR

    assert score_support(state, START + 5 * HOUR, MID)[:2] == (76, "5 escalations in 30 days")


def test_the_score_never_falls_below_0() -> None:
    """However much comes together."""
    steps = [ticket(START, ticket_id=f"T-{number}", severity="P1") for number in range(30)]
    state = state_after(*steps, watermark=START + 20 * DAY)

    assert score_of(state, state.as_of) == 0


def test_a_reopened_ticket_gets_its_time_again() -> None:
    """The clock of the solution starts at the reopening."""
    steps = (("OPENED", 0), ("REPLIED", MINUTE), ("SOLVED", HOUR), ("REOPENED", 10 * HOUR))
    state = state_after(
        *(ticket(START + at, step, severity="P1") for step, at in steps)  # type: ignore[arg-type]
    )

    assert score_support(state, state.as_of, MID).look_again_at == START + 14 * HOUR


def test_a_ticket_solved_in_time_and_closed_days_later_costs_nothing() -> None:
    """Help desks close by themselves, days after the solution; the promise was about that."""
    steps = [
        ticket(START, severity="P1"),
        ticket(START + 5 * MINUTE, "REPLIED", severity="P1"),
        ticket(START + HOUR, "SOLVED", severity="P1"),
        ticket(START + 3 * DAY, "CLOSED", severity="P1"),
    ]

    for order in permutations(steps):
        assert score_of(state_after(*order, watermark=START + 4 * DAY), START + 4 * DAY) == 100


def test_a_ticket_reopened_and_solved_too_late_was_solved_by_what_came_last() -> None:
    """The time runs from the reopening; what was a solution before it is none."""
    steps = [
        ticket(START, severity="P1"),
        ticket(START + 5 * MINUTE, "REPLIED", severity="P1"),
        ticket(START + HOUR, "SOLVED", severity="P1"),
        ticket(START + DAY, "REOPENED", severity="P1"),
        ticket(START + DAY + 5 * HOUR, "SOLVED", severity="P1"),
        ticket(START + 4 * DAY, "CLOSED", severity="P1"),
    ]

    states = [state_after(*order, watermark=START + 5 * DAY) for order in permutations(steps)]

    assert {solution for state in states for solution in state.tickets.solved_late(LIMITS)} == {
        (START + DAY + 5 * HOUR, 1)
    }
