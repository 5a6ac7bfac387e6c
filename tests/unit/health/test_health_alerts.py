"""The signs and the life of their alerts."""

from typing import Any

import pytest

from pipeline.health.events import Action
from pipeline.health.windows import DAY, HOUR, MINUTE
from tests.unit.health.health_builders import (
    MONDAY,
    START,
    Partition,
    facts,
    invoice,
    living_account,
    login,
    nps,
    scorecards_with,
    ticket,
)

FRIDAY = MONDAY + 7 * 7 + 4
LAST_LOGIN = FRIDAY * DAY + 9 * HOUR + 12 * MINUTE


def dark_account(**changes: Any) -> Partition:
    """Twelve people, eight weeks from Monday to Friday, then nobody."""
    partition = living_account(**({"seats": 12} | changes))
    for who in range(9, 13):
        partition.hear(login(LAST_LOGIN - 12 * MINUTE + who * MINUTE, who))
    partition.tick(LAST_LOGIN + MINUTE)
    return partition


def test_silence_is_noticed_at_its_millisecond() -> None:
    """Six days after the last login to the millisecond, and not before."""
    partition = dark_account()
    due = LAST_LOGIN + 6 * DAY

    partition.run_until(due - 1)
    assert partition.transitions("went_dark") == []
    partition.tick(due + 7_000)

    (alert,) = [alert for alert in partition.alerts if alert.sign == "went_dark"]
    assert (alert.due_at, alert.as_of, alert.opened_at) == (due, due, due)
    assert (alert.occurred_at, alert.observed_at) == (LAST_LOGIN, LAST_LOGIN)
    assert alert.reason == "went dark, no login for 6 days (longest before: 3)"
    assert [(fact.fact, fact.value, fact.usual) for fact in alert.evidence] == [
        ("days_since_login", 6, 3),
        ("allowed_days", 6, None),
        ("people_active_28_days_before", 12, None),
    ]
    assert (alert.severity, alert.respond_by) == ("WARNING", due + 72 * HOUR)
    assert alert.play.startswith("Call the owner")


def test_a_weekend_is_no_silence() -> None:
    """Nobody signs in on Saturday and Sunday, as ever."""
    partition = dark_account()

    partition.run_until((FRIDAY + 3) * DAY + 9 * HOUR)

    assert partition.alerts == []


def test_nobody_goes_dark_while_time_stands_still() -> None:
    """
    Other events may be observed after the deadline: as long as no tick says so, a login may still be on its
    way.
    """
    partition = dark_account()
    late = LAST_LOGIN + 7 * DAY

    partition.hear(ticket(late))
    partition.hear(login(LAST_LOGIN + 5 * DAY), at=late + MINUTE)
    partition.tick(late + 2 * MINUTE)

    assert partition.transitions("went_dark") == []


def test_going_dark_resolves_when_people_sign_in_again() -> None:
    """The alert keeps its id over its life, and its sequence rises."""
    partition = dark_account()
    partition.run_until(LAST_LOGIN + 7 * DAY)

    partition.hear(login(LAST_LOGIN + 7 * DAY + HOUR))

    opened, resolved = (alert for alert in partition.alerts if alert.sign == "went_dark")
    assert (opened.transition, resolved.transition) == ("OPENED", "RESOLVED")
    assert opened.alert_id == resolved.alert_id
    assert (opened.sequence, resolved.sequence) == (1, 2)
    assert (resolved.resolved_by, resolved.respond_by) == ("recovery", None)
    assert resolved.reason == "is back, people are signing in again"


def test_fewer_seats_do_not_end_a_silence() -> None:
    """They allow a longer one; but nobody has signed in."""
    partition = dark_account()
    partition.run_until(LAST_LOGIN + 6 * DAY + HOUR)

    renewal_day = LAST_LOGIN // DAY + 99
    partition.hear(facts(LAST_LOGIN + 7 * DAY, seats=8, renewal_day=renewal_day))
    partition.run_until(LAST_LOGIN + 12 * DAY, every=6 * HOUR)
    assert partition.transitions("went_dark") == ["OPENED", "ESCALATED"]
    assert {alert.due_at for alert in partition.alerts if alert.sign == "went_dark"} == {LAST_LOGIN + 6 * DAY}

    partition.hear(login(LAST_LOGIN + 12 * DAY + HOUR))
    assert partition.transitions("went_dark") == ["OPENED", "ESCALATED", "RESOLVED"]


def test_sixty_days_past_due_are_told_when_they_are() -> None:
    """At midnight, and not when the account's day is scored."""
    partition = dark_account()
    due_day = LAST_LOGIN // DAY - 57
    partition.hear(invoice(LAST_LOGIN, due_day=due_day))
    limit = (due_day + 60) * DAY

    partition.run_until(limit - 1)
    assert partition.transitions("band") == []
    partition.tick(limit + MINUTE)

    (alert,) = [alert for alert in partition.alerts if alert.sign == "band"]
    assert (alert.due_at, alert.as_of) == (limit, limit)


def test_a_late_login_of_a_day_already_counted_ends_a_silence_it_disproves() -> None:
    """It moves the last login by hours only, and still the silence was none."""
    partition = dark_account()
    partition.run_until(LAST_LOGIN + 6 * DAY + HOUR)

    partition.hear(login(LAST_LOGIN + 5 * HOUR), at=LAST_LOGIN + 6 * DAY + HOUR)

    assert partition.transitions("went_dark") == ["OPENED", "RESOLVED"]


def test_an_alert_opens_once_per_episode_and_the_next_episode_has_an_id_of_its_own() -> None:
    """Days of silence add no second alert; a second silence does."""
    partition = dark_account()
    partition.run_until(LAST_LOGIN + 9 * DAY)
    partition.hear(login(LAST_LOGIN + 9 * DAY + HOUR))
    partition.run_until(LAST_LOGIN + 60 * DAY, every=6 * HOUR)

    ids = [
        alert.alert_id
        for alert in partition.alerts
        if alert.transition == "OPENED" and alert.sign == "went_dark"
    ]
    assert len(ids) == len(set(ids)) == 2


def test_what_comes_back_within_the_cooldown_is_the_same_alert_reopened() -> None:
    """A customer whose P1 runs late twice in a day makes one story."""
    partition = living_account()
    at = LAST_LOGIN + HOUR
    for number in (1, 2):
        partition.hear(ticket(at, "OPENED", f"T-{number}", "P1"))
        partition.run_until(at + 5 * HOUR)
        partition.hear(ticket(at + 5 * HOUR, "SOLVED", f"T-{number}", "P1"))
        at += 6 * HOUR

    band = [alert for alert in partition.alerts if alert.sign == "band"]
    assert [alert.transition for alert in band] == ["OPENED", "RESOLVED", "REOPENED", "RESOLVED"]
    assert len({alert.alert_id for alert in band}) == 1
    assert [alert.sequence for alert in band] == [1, 2, 3, 4]
    assert band[0].due_at == LAST_LOGIN + 5 * HOUR


def test_alerts_open_together_share_a_story() -> None:
    """A message per account, not per sign."""
    partition = dark_account()
    partition.run_until(LAST_LOGIN + 7 * DAY)
    partition.hear(facts(LAST_LOGIN + 7 * DAY, seats=12, notice_day=FRIDAY))

    opened = [alert for alert in partition.alerts if alert.transition == "OPENED"]
    assert {alert.sign for alert in opened} == {"went_dark", "band"}
    assert len({alert.story_id for alert in opened}) == 1


@pytest.mark.parametrize(
    ("days", "severity"),
    [(91 + 6, "WARNING"), (90 + 6, "HIGH"), (6, "HIGH"), (5, "WARNING"), (None, "WARNING")],
)
def test_a_renewal_within_90_days_raises_the_severity_by_a_step(days: int | None, severity: str) -> None:
    """Not one that is over."""
    partition = dark_account(renewal_day=None if days is None else FRIDAY + days)

    partition.run_until(LAST_LOGIN + 6 * DAY)

    assert partition.alerts[-1].severity == severity


def test_an_open_alert_escalates_when_its_severity_rises() -> None:
    """The renewal has come within 90 days."""
    partition = dark_account(renewal_day=FRIDAY + 98)

    partition.run_until(LAST_LOGIN + 9 * DAY)

    dark = [alert for alert in partition.alerts if alert.sign == "went_dark"]
    assert [(alert.transition, alert.severity) for alert in dark] == [
        ("OPENED", "WARNING"),
        ("ESCALATED", "HIGH"),
    ]


def test_an_account_that_leaves_resolves_what_is_open_and_opens_nothing_more() -> None:
    """On the first day it is no longer a customer, with that reason."""
    partition = dark_account()
    partition.hear(facts(LAST_LOGIN + HOUR, seats=12, notice_day=FRIDAY, leaves_day=FRIDAY + 3))

    partition.run_until(LAST_LOGIN + 30 * DAY, every=6 * HOUR)

    assert [(alert.sign, alert.transition, alert.resolved_by) for alert in partition.alerts] == [
        ("band", "OPENED", None),
        ("band", "RESOLVED", "account_left"),
    ]
    assert partition.alerts[-1].as_of == (FRIDAY + 3) * DAY


def test_a_fall_of_15_points_within_a_week_is_told_with_what_moved() -> None:
    """Executives who turn away take sentiment with them."""
    partition = living_account()
    partition.hear_all([nps(LAST_LOGIN + minute, 10) for minute in range(6)])
    partition.run_until(LAST_LOGIN + 2 * DAY)
    for number in range(12):
        partition.hear(nps(LAST_LOGIN + 2 * DAY + number, 0, "EXECUTIVE"))

    (alert,) = [alert for alert in partition.alerts if alert.sign == "score_drop"]
    assert alert.score_before is not None
    assert alert.score_after is not None
    assert alert.score_before - alert.score_after >= 15
    assert sum(points for _, points in alert.points) == pytest.approx(
        alert.score_after - alert.score_before, abs=0.01
    )
    assert alert.reason.startswith("score fell by 1")
    assert "sentiment -" in alert.reason


def test_a_fall_that_an_open_sign_explains_opens_nothing() -> None:
    """Going dark takes usage down; that is one story, not two."""
    partition = dark_account()

    partition.run_until(LAST_LOGIN + 20 * DAY)

    assert partition.transitions("score_drop") == []
    assert partition.snapshots[-1].score is not None
    assert partition.snapshots[-1].score < 60


def test_an_answer_that_expires_is_no_fall() -> None:
    """Data that is gone is not health that is gone, though the score falls without it."""
    partition = Partition(cards=scorecards_with(sentiment__fresh_days=3, bands__least_coverage=0.3))
    partition.hear(facts(seats=None))
    partition.hear(invoice(START, due_day=MONDAY - 55))
    partition.hear(ticket(START))
    partition.hear_all([nps(START + number, 10) for number in range(20)])
    happy = partition.snapshots[-1].score

    partition.run_until(START + 4 * DAY)

    without = partition.snapshots[-1].score
    assert happy is not None
    assert without is not None
    assert happy - without > 15
    assert partition.transitions("score_drop") == []


def test_the_band_alert_waits_for_the_hold_and_names_the_weakest_component() -> None:
    """Its due time is the end of the hold."""
    partition = dark_account()

    partition.run_until(LAST_LOGIN + 25 * DAY)

    (alert,) = [alert for alert in partition.alerts if alert.sign == "band"]
    assert alert.band == "AT_RISK"
    assert alert.due_at == alert.as_of
    assert "; weakest is usage: no login for" in alert.reason


def test_a_person_who_has_looked_is_not_told_what_they_said() -> None:
    """While an override is active no band alert opens."""
    partition = dark_account()
    until = LAST_LOGIN + 90 * DAY
    partition.hear(Action("o-1", LAST_LOGIN, "OVERRIDE", "mara", "talked to them", band="WATCH", until=until))

    partition.run_until(LAST_LOGIN + 30 * DAY, every=6 * HOUR)

    assert partition.transitions("band") == []
    assert partition.snapshots[-1].band == "WATCH"
    assert partition.snapshots[-1].computed_band == "AT_RISK"
