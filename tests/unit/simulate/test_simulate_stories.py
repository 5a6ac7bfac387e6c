"""Each story changes what its account does, and the portfolio says who lives which."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.simulate.chance import random_for
from pipeline.simulate.clock import to_day
from pipeline.simulate.habits import usual_life
from pipeline.simulate.portfolio import WARM_UP_DAYS, Portfolio, portfolio
from pipeline.simulate.profile import Sizes, draw_profile
from pipeline.simulate.stories import STORIES

START = datetime(2026, 3, 2, tzinfo=UTC)
ONSET = START + timedelta(days=70)
END = START + timedelta(days=140)
SIZES = Sizes(small=(30, 30), mid=(30, 30), enterprise=(30, 30))


def lines_of(story_name: str) -> list[dict[str, Any]]:
    """Everything of one account of 30 seats that lives *story_name* from ``ONSET`` on."""
    story = next(story for story in STORIES if story.name == story_name)
    rng = random_for(3, story_name)
    profile = draw_profile(seed=3, index=1, first_day=to_day(START.date()), sizes=SIZES, rng=rng)
    life = story.tell(usual_life(profile, rng), to_day(ONSET.date()), rng)
    return list(Portfolio(seed=3, start=START, end=END, lives=(life,), stories=()).lines())


def happened(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["occurred_at"])


def after(
    lines: list[dict[str, Any]], type_: str, begin: int = 1, end: int = 70, **fields: Any
) -> list[dict[str, Any]]:
    """
    Lines of that type with *fields* that happened from *begin* to *end* days after the onset; a negative day
    is before it.
    """
    return [
        line
        for line in lines
        if line["type"] == type_
        and ONSET + timedelta(days=begin) <= happened(line) < ONSET + timedelta(days=end)
        and fields.items() <= line.items()
    ]


def users(lines: list[dict[str, Any]]) -> set[str]:
    return {line["user_id"] for line in lines}


def test_every_story_is_told_once_at_least_and_has_room_to_show_itself() -> None:
    """Of 100 accounts each story has its own, after weeks of usual life and early enough before the end."""
    whole = portfolio(seed=5, accounts=100, start=START, end=START + timedelta(days=200))
    warm_up = {story.name: timedelta(days=story.warm_up) for story in STORIES}

    told = Counter(story.story for story in whole.stories)

    assert set(told) == {story.name for story in STORIES}
    assert len({story.account_id for story in whole.stories}) == len(whole.stories)
    for story in whole.stories:
        assert START + warm_up[story.story] <= story.begins
        assert story.begins < story.ends <= whole.end


def test_a_story_for_which_the_time_is_too_short_is_left_out() -> None:
    """Of a portfolio that ends ten days after the first possible story nothing is told that takes longer."""
    whole = portfolio(seed=5, accounts=100, start=START, end=START + timedelta(days=WARM_UP_DAYS + 10))

    assert {story.story for story in whole.stories} == {
        story.name for story in STORIES if story.warm_up + story.days < WARM_UP_DAYS + 10
    }


def test_fading_use_fades() -> None:
    """After six weeks less than a third of the logins are left."""
    lines = lines_of("fading_use")

    assert len(after(lines, "login", 42, 56)) < len(after(lines, "login", -14, 0)) / 3


def test_the_lost_champions_stop_while_the_others_go_on() -> None:
    """The champion came until the onset; as many others come after it as before."""
    lines = lines_of("lost_champion")
    champion = {user for user in users(after(lines, "login", -28, 0)) if user.endswith("-1")}

    assert champion
    assert not champion & users(after(lines, "login"))
    assert len(users(after(lines, "login", 1, 29))) >= len(users(after(lines, "login", -28, 0))) - 4


def test_an_account_that_went_dark_is_silent() -> None:
    """No login and no ticket opened from the onset on; until then there were some each week."""
    lines = lines_of("went_dark")

    assert all(after(lines, "login", -7 * week, 7 - 7 * week) for week in range(1, 9))
    assert not after(lines, "login")
    assert not after(lines, "support_ticket", step="OPENED")


def test_a_stalled_onboarding_starts_and_stops() -> None:
    """The account begins with the story, two people try it, and then nobody comes."""
    lines = lines_of("stalled_onboarding")
    facts = after(lines, "account", -1, 2)

    assert len([line for line in lines if line["type"] == "account"]) == 1
    assert facts[0]["lifecycle_stage"] == "ONBOARDING"
    assert facts[0]["start_date"] == ONSET.date().isoformat()
    assert len(users(after(lines, "login", -1, 6))) in {1, 2}
    assert not after(lines, "login", 6)


def test_quality_trouble_shows_in_the_tickets() -> None:
    """Urgent tickets, escalated and reopened ones, far more than before."""
    lines = lines_of("quality_trouble")
    before, during = after(lines, "support_ticket", -28, 0), after(lines, "support_ticket", 0, 28)

    assert len(during) > 4 * len(before)
    assert {"ESCALATED", "REOPENED"} <= {line["step"] for line in during}
    assert any(line["severity"] == "P1" for line in during)


def test_who_stops_paying_gets_overdue_invoices_and_pays_none_of_them() -> None:
    """Invoices issued after the onset are issued, go overdue, and nothing more."""
    lines = lines_of("stops_paying")
    issued = {line["invoice_id"] for line in after(lines, "invoice", step="ISSUED")}
    steps = {line["step"] for line in lines if line["type"] == "invoice" and line["invoice_id"] in issued}

    assert issued
    assert steps == {"ISSUED", "OVERDUE"}


def test_the_unhappy_executives_say_so() -> None:
    """Within three days executives and champions answer an NPS with 0 to 2."""
    lines = lines_of("unhappy_executive")
    answers = after(lines, "survey", 0, 4, step="ANSWERED", kind="NPS")
    deciders = [line for line in answers if line["respondent_role"] in {"EXECUTIVE", "CHAMPION"}]

    assert len(deciders) >= 2
    assert all(line["score"] <= 2 for line in deciders)


def test_shrinking_and_leaving_are_said_by_the_crm() -> None:
    """Seats and money fall by a third; notice is given with the day on which it takes effect."""
    (before, less), (_, notice) = (
        [line for line in lines_of(story) if line["type"] == "account"][:2]
        for story in ("shrinking", "leaving")
    )

    assert less["seats"] == before["seats"] * 2 // 3
    assert float(less["cmrr"]) == pytest.approx(float(before["cmrr"]) * 2 / 3, abs=0.01)
    assert notice["notice_given_on"] == ONSET.date().isoformat()
    assert notice["leaves_on"] == (ONSET + timedelta(days=60)).date().isoformat()


def test_a_habitual_late_payer_pays_every_invoice_late_by_the_same_days() -> None:
    """Each payment comes five or six days after the due date, and each invoice is overdue before it."""
    lines = [line for line in lines_of("habitual_late_payer") if line["type"] == "invoice"]
    late = [
        (happened(line).date() - datetime.fromisoformat(line["due_date"]).date()).days
        for line in lines
        if line["step"] == "PAID"
    ]

    assert late
    assert set(late) <= {5, 6}
    assert len({line["invoice_id"] for line in lines if line["step"] == "OVERDUE"}) >= len(set(late))


def test_a_change_of_sign_on_renames_every_user_and_nothing_else() -> None:
    """Before and after there are as many users, and not one of them under the same name."""
    lines = lines_of("sign_on_change")
    before, later = users(after(lines, "login", -36, -1)), users(after(lines, "login", 1, 36))

    assert not before & later
    assert abs(len(before) - len(later)) <= 3


def test_in_the_holiday_week_hardly_anybody_comes_and_then_everybody_again() -> None:
    """One week with less than a third of the logins of the week before and of the week after."""
    lines = lines_of("holiday_week")
    weeks = [len(after(lines, "login", 7 * week, 7 * week + 7)) for week in range(-1, 3)]

    assert weeks[1] < weeks[0] / 3
    assert weeks[1] < weeks[2] / 3


def test_a_roll_out_buys_seats_first_and_fills_them_over_weeks() -> None:
    """Two fifths more seats at once; eight weeks later as many more people."""
    lines = lines_of("roll_out")
    seats = [line["seats"] for line in lines if line["type"] == "account"]

    assert list(dict.fromkeys(seats)) == [30, 42]
    assert len(users(after(lines, "login", -28, 0))) + 8 < len(users(after(lines, "login", 42)))


def test_staff_turnover_swaps_users_and_keeps_their_number() -> None:
    """Some users never come again, others are new; the number of people stays about the same."""
    lines = lines_of("staff_turnover")
    before, later = users(after(lines, "login", -56, 0)), users(after(lines, "login", 1, 57))

    assert len(before - later) >= 4
    assert len(later - before) >= 4
    assert abs(len(before) - len(later)) <= 4
