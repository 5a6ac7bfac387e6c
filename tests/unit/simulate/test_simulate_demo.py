"""
The demo's plan: months of history up to now, and stories that show within two minutes of it, through the real
core.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from pipeline.simulate.clock import to_ms
from pipeline.simulate.demo import HISTORY_DAYS, LIVE_SECONDS, DemoPlan, demo_portfolio
from pipeline.simulate.live import goes_dark
from pipeline.simulate.portfolio import portfolio
from tests.unit.simulate.core_run import CoreRun

# A Tuesday morning, the turn of the year two minutes before midnight, and a moment at which the account drawn
# for one of the stories is at risk already.
PLANS = (
    ("2026-11-24T09:30:11.222+00:00", 20),
    ("2026-12-31T23:58:30+00:00", 20),
    ("2026-11-23T04:46:00+00:00", 25),
)


@pytest.fixture(scope="module", params=PLANS)
def plan(request: pytest.FixtureRequest) -> DemoPlan:
    now, accounts = request.param
    return demo_portfolio(datetime.fromisoformat(now), seed=3, accounts=accounts)


@pytest.fixture(scope="module")
def run(plan: DemoPlan) -> CoreRun:
    run = CoreRun()
    run.feed(plan.history(), until=plan.now, tick=timedelta(hours=1))
    run.feed(
        [event.line for event in plan.live],
        until=plan.now + timedelta(seconds=LIVE_SECONDS),
        tick=timedelta(seconds=1),
    )
    return run


@pytest.mark.parametrize("plan", PLANS[:1], indirect=True)
def test_the_same_moment_and_seed_give_the_same_plan(plan: DemoPlan) -> None:
    """A plan can be made again, for a second look at what happened in it."""
    second = demo_portfolio(plan.now, seed=3, accounts=PLANS[0][1])

    assert plan.live == second.live
    assert list(plan.history()) == list(second.history())


def test_history_ends_now_and_the_live_part_begins_there(plan: DemoPlan) -> None:
    """
    History is all observed before now; live events come in order within the two minutes, and not before they
    happen.
    """
    observed = [datetime.fromisoformat(line["observed_at"]) for line in plan.history()]
    seconds = [event.seconds for event in plan.live]

    assert observed[0] == plan.now - timedelta(days=HISTORY_DAYS)
    assert plan.now - timedelta(days=1) < observed[-1] < plan.now
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] < seconds[-1] < LIVE_SECONDS
    for event in plan.live:
        assert datetime.fromisoformat(event.line["occurred_at"]) <= plan.now + timedelta(
            seconds=event.seconds
        )


def test_the_live_minutes_are_busy(plan: DemoPlan) -> None:
    """
    Events of many accounts all through the two minutes, whatever the hour is, with no pause of five seconds.
    """
    logins = {
        event.line["account_id"] or event.line["email"]
        for event in plan.live
        if event.line["type"] == "login"
    }

    assert len(plan.live) > LIVE_SECONDS
    assert len(logins) >= 20
    assert max(later.seconds - earlier.seconds for earlier, later in pairwise(plan.live)) < 5


def test_every_story_shows_within_ten_seconds_of_its_moment(plan: DemoPlan, run: CoreRun) -> None:
    """
    Each alerts with its own sign at its cause or when it is due, the first within ten seconds; the harmless
    one never.
    """
    for story in plan.stories:
        signs = {alert.sign for alert in run.alerts_of(story)}

        assert signs & story.signs or not story.signs, story
        assert story.signs or not signs, story
    assert min(story.begins for story in plan.stories) < plan.now + timedelta(seconds=10)


def test_a_silence_is_due_to_the_millisecond(plan: DemoPlan, run: CoreRun) -> None:
    """What the plan lays by the core's own word comes at the very moment."""
    story = next(story for story in plan.stories if "went_dark" in story.signs)

    (alert,) = run.alerts_of(story)

    assert timedelta(0) <= story.begins - alert.at < timedelta(milliseconds=1)


def test_nobody_else_alerts_in_the_live_minutes(plan: DemoPlan, run: CoreRun) -> None:
    """Of accounts without trouble, and of the stories' accounts before their moment, nothing is said."""
    troubled = {story.account_id for story in plan.past_stories if not story.is_harmless}
    expected = {alert for story in plan.stories for alert in run.alerts_of(story)}

    others = [
        alert
        for alert in run.opened
        if alert.at >= plan.now and alert.account_id not in troubled and alert not in expected
    ]

    assert others == []


def test_a_life_whose_silence_cannot_be_laid_is_refused() -> None:
    """
    If the core's word moves with every try, the plan says so instead of promising an alert that will not
    come.
    """
    now = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    life = portfolio(seed=3, accounts=1, start=now - timedelta(days=20), end=now).lives[0]
    always_a_minute_later = to_ms(now) + 60_000

    with pytest.raises(ValueError, match="take another seed"):
        goes_dark(life, to_ms(now), lambda _: always_a_minute_later)
