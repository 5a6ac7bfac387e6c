"""The stages of a worker's time: one at a time, the most telling one, nothing left out."""

from collections.abc import Callable

import pytest

from agents.lane.stages import StageClock
from pipeline import metrics


class Seconds:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def booked() -> Callable[[], dict[str, float]]:
    """Seconds by stage, of those that got some, since the test began."""

    def read() -> dict[str, float]:
        return {s: metrics.WORKER_SECONDS.labels(stage=s)._value.get() for s in metrics.WORKER_STAGES}

    before = read()
    return lambda: {s: round(now - before[s], 6) for s, now in read().items() if now != before[s]}


def test_of_stages_that_overlap_the_most_telling_one_is_booked(
    booked: Callable[[], dict[str, float]],
) -> None:
    """
    Kafka works while we do: an append costs only what nothing else fills.

        poll    |-----------------------|
        append        |-----------|
        fold             |--|
        booked  | p p | a|f |a a a| p p | w
    """
    seconds = Seconds()
    clock = StageClock(seconds)
    with clock.stage("poll"):
        seconds.now += 2
        with clock.stage("append"):
            seconds.now += 1
            with clock.stage("fold"):
                seconds.now += 1
            seconds.now += 3
        seconds.now += 2
    seconds.now += 1
    with clock.stage("poll"):
        pass

    assert booked() == {"poll": 4, "append": 4, "fold": 1, "wait": 1}


def test_of_two_appends_at_once_each_moment_is_booked_once(booked: Callable[[], dict[str, float]]) -> None:
    """Two partitions are written at the same time."""
    seconds = Seconds()
    clock = StageClock(seconds)
    with clock.stage("append"):
        with clock.stage("append"):
            seconds.now += 1
        seconds.now += 1

    assert booked() == {"append": 2}


def test_a_fold_that_waits_for_the_changelog_is_booked_as_an_append(
    booked: Callable[[], dict[str, float]],
) -> None:
    """Its cuts wait until earlier ones are written."""
    seconds = Seconds()
    clock = StageClock(seconds)
    with clock.stage("append"), clock.stage("fold"):
        seconds.now += 1
        with clock.outside("fold"):
            seconds.now += 5
        with clock.stage("encode"):
            seconds.now += 2

    assert booked() == {"append": 5, "encode": 2, "fold": 1}


def test_an_error_ends_its_stage(booked: Callable[[], dict[str, float]]) -> None:
    """What follows is not booked as a fold for good."""
    seconds = Seconds()
    clock = StageClock(seconds)
    with pytest.raises(ValueError, match="bad"), clock.stage("fold"):
        raise ValueError("bad")
    seconds.now += 1
    with clock.stage("poll"):
        pass

    assert booked() == {"wait": 1}
