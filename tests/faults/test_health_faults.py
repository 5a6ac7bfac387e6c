"""
The health worker killed and stopped under load, and loads that are hard on it.

The embedded broker keeps 5 MB of a partition and both a recovery and the oracle need all of it, so loads are
small here and come in bursts: a poll of many events writes each account's state once. The same faults under
large loads are in ``kafka``.
"""

import random
import time

import pytest

from tests.faults.evidence import ALERT, CHANGE, CHANGELOG, CURRENT, gather
from tests.faults.generator import Event, Traffic
from tests.faults.stage import Stage, kill_behind

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_c1_health_killed_at_random_moments(stage: Stage, seed: int) -> None:
    """
    Five times killed while it catches up, the health worker loses nothing and counts nothing twice.

        |-- 1,200 events --|- catching up --x-- 1,200 more --|- catching up ---x ... | lag 0        x: kill -9
    """
    traffic, rng = Traffic(seed, accounts=24), random.Random(seed)
    stage.feeder.send_all(traffic.facts())
    stage.start("sink", "intake")
    for starts in range(1, 6):
        stage.feeder.send_all(traffic.events(1_200))
        stage.start("health")
        stage.ready("health", starts)
        time.sleep(0.5 * rng.random())
        stage.kill("health")
        stage.line.fault("kill -9 health")
    stage.start("health")
    stage.lag_0()
    stage.judge()


@pytest.mark.parametrize("point", ["outputs", "states"])
def test_c2_health_killed_between_its_writes(streams: Stage, seed: int, point: str) -> None:
    """
    Killed four times when outputs stand and states do not, or when states stand and the offset is not
    committed.

        fold | outputs acknowledged | x | states acknowledged | x | offset committed
    """
    traffic, rng = Traffic(seed, accounts=20), random.Random(seed)
    streams.feeder.send_all(traffic.facts())
    streams.start("intake")
    streams.feeder.send_all(traffic.events(1_500))
    for _ in range(4):
        topic = rng.choice((CURRENT, CHANGE)) if point == "outputs" else CHANGELOG
        kill_behind("health", streams.brokers, topic, rng.randrange(1, 6))
        streams.line.fault(f"kill -9 health behind {point}")
    streams.start("health")
    streams.lag_0()
    streams.judge()


def test_c4_a_clean_stop_repeats_nothing(stage: Stage, seed: int) -> None:
    """
    SIGTERM to each process in turn, in the middle of a burst: it ends within 20 s and nothing is written
    twice.
    """
    traffic = Traffic(seed, accounts=24)
    stage.feeder.send_all(traffic.facts())
    stage.start()
    for name in ("health", "intake", "sink"):
        stage.ready("health")
        stage.feeder.send_all(traffic.events(1_000))
        time.sleep(0.3)
        seconds = stage.stop(name)
        stage.line.fault(f"SIGTERM {name}: {seconds:.1f} s")
        stage.start(name)
    stage.lag_0()
    stage.rest()
    stage.line.violations += repeated(stage.brokers)
    stage.judge()


def repeated(brokers: str) -> list[str]:
    """Records that stand in the log or an output topic twice, which is allowed after a crash alone."""
    found = gather(brokers)
    entries = [entry for entries in found.entries.values() for entry in entries]
    lines = [] if len({e[4:] for e in entries}) == len(entries) else ["C4: the log holds an event twice"]
    for topic in (CURRENT, CHANGE, ALERT):
        outputs = found.outputs[topic]
        if len({output.value for output in outputs}) != len(outputs):
            lines.append(f"C4: {topic} holds a record twice")
    return lines


def twentyfold(events: list[Event], rng: random.Random) -> list[Event]:
    """Each event 20 times, the repeats within the next events of the same account."""
    storm = []
    for number, event in enumerate(events):
        storm += [(number + 4 * rng.random(), event) for _ in range(20)]
    return [event for _, event in sorted(storm, key=lambda placed: placed[0])]


def test_l1_a_storm_of_duplicates_counts_once(streams: Stage, seed: int) -> None:
    """Every event id comes 20 times, soon after each other: it counts once."""
    traffic, rng = Traffic(seed, accounts=20, duplicates=0.0), random.Random(seed)
    streams.feeder.send_all(traffic.facts())
    streams.start()
    streams.feeder.send_all(twentyfold(list(traffic.events(800)), rng))
    streams.line.fault("each event 20 times")
    streams.lag_0()
    streams.judge()


def test_l1_beyond_the_horizon_a_duplicate_counts_again(streams: Stage, seed: int) -> None:
    """
    Ids are remembered over 128 events of the account, no more: what comes back later counts twice, exactly.
    """
    traffic = Traffic(seed, accounts=2, duplicates=0.0)
    streams.feeder.send_all(traffic.facts())
    once = list(traffic.events(1_000))
    streams.start()
    streams.feeder.send_all(once)
    streams.lag_0()
    streams.feeder.send_all(once)
    streams.line.fault("1,000 events again, beyond the horizon")
    streams.lag_0()
    streams.rest()
    counted = sum(fold.counters.events for fold in gather(streams.brokers).folds.values())
    assert counted > 1_500
    streams.judge(horizon_may_be_left=True)


def test_l2_half_of_the_traffic_is_one_account(stage: Stage, seed: int) -> None:
    """
    One account takes half of 4,000 events; its neighbours and it are exact, and its state stays below 64 KiB.
    """
    traffic = Traffic(seed, accounts=20, hot=0.5)
    stage.feeder.send_all(traffic.facts())
    stage.start("sink", "intake")
    stage.feeder.send_all(traffic.events(4_000))
    stage.start("health")
    stage.ready("health")
    stage.line.fault("half of the load on one account")
    stage.lag_0()
    stage.judge(horizon_may_be_left=True)
    states = {name: s for fold in gather(stage.brokers).folds.values() for name, s in fold.states.items()}
    assert states[traffic.account_ids[0]].size < 64 * 1024
