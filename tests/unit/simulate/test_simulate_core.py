"""What the core makes of a portfolio: every trouble shows, and harmless turns stay quiet."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.simulate.portfolio import Portfolio, portfolio
from pipeline.simulate.profile import Sizes
from tests.unit.simulate.core_run import CoreRun

START = datetime(2026, 1, 5, tzinfo=UTC)
END = START + timedelta(days=205)
SIZES = Sizes(small=(6, 10), mid=(12, 24), enterprise=(40, 50))


@pytest.fixture(scope="module")
def told() -> Portfolio:
    return portfolio(seed=11, accounts=20, start=START, end=END, sizes=SIZES)


@pytest.fixture(scope="module")
def run(told: Portfolio) -> CoreRun:
    run = CoreRun()
    run.feed(told.lines(), until=END, tick=timedelta(hours=1))
    return run


def test_every_trouble_costs_its_component_points(told: Portfolio, run: CoreRun) -> None:
    """Whatever goes wrong, the component that looks at it loses ten points or more while the story lasts."""
    for story in told.stories:
        if story.component is not None:
            assert run.lost_points(story) >= 10, story


def test_troubles_open_the_sign_that_tells_of_them(told: Portfolio, run: CoreRun) -> None:
    """Each story with signs opens one of them before its time is over."""
    for story in told.stories:
        if story.signs:
            assert {alert.sign for alert in run.alerts_of(story)} & story.signs, story


def test_harmless_turns_stay_quiet(told: Portfolio, run: CoreRun) -> None:
    """
    While a harmless story lasts no alert opens.

    Left out is a firm's first closed week: until Monday it cannot be told from going dark, and only the year
    after is it known.
    """
    cried = {
        story.story: run.alerts_of(story)
        for story in told.stories
        if story.is_harmless and story.story != "holiday_week"
    }

    assert {name: alerts for name, alerts in cried.items() if alerts} == {}
