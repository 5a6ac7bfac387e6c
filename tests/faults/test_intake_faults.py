"""
The intake killed between its appends and its commit, and at random moments: what it repeats counts once.
"""

import random
import time

import pytest

from tests.faults.evidence import LOG, gather
from tests.faults.generator import Load, Traffic
from tests.faults.stage import Stage, kill_behind

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_c2_intake_killed_behind_its_appends(streams: Stage, seed: int) -> None:
    """
    Each life appends more than it commits, so the next repeats it: far more events apart than ids are
    remembered.

        appended 0 1 2 3 | x | 0 1 2 3 4 5 6 | x | 0 1 2 3 4 5 6 7 8 9        highest offset applied: 3, 6, 9
    """
    traffic, rng = Traffic(seed, accounts=4, duplicates=0.0), random.Random(seed)
    streams.feeder.send_all(traffic.facts())
    streams.feeder.send_all(traffic.events(3_000))
    for _ in range(3):
        kill_behind("intake", streams.brokers, LOG, rng.randrange(3, 6))
        streams.line.fault("kill -9 intake behind its appends")
    streams.start("intake", "health")
    streams.lag_0()
    streams.judge()
    repeats = sum(fold.counters.repeats for fold in gather(streams.brokers).folds.values())
    assert repeats > 0, "nothing was repeated, so nothing was tried"


def test_c1_intake_killed_at_random_moments(stage: Stage, seed: int) -> None:
    """Three times killed under load: every accepted event stands in the log and counts once."""
    traffic, rng = Traffic(seed, accounts=24), random.Random(seed)
    stage.feeder.send_all(traffic.facts())
    stage.start()
    with Load(stage.feeder, traffic.events(3_000), per_second=60) as load:
        for starts in range(1, 4):
            stage.ready("intake", starts)
            time.sleep(0.5 + 2 * rng.random())
            stage.kill("intake")
            stage.line.fault("kill -9 intake")
            stage.start("intake")
        load.finish()
    stage.lag_0()
    stage.judge()
