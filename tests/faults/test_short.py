"""
One crash, and whether the oracle would have seen its damage, in the seconds that `make test` has for the
fault suite.
"""

import copy
from collections.abc import Callable

import pytest

from pipeline.health.account import AccountState
from tests.faults.evidence import ALERT, CHANGE, CURRENT, Evidence, gather
from tests.faults.generator import CANARY, Traffic
from tests.faults.oracle import judge
from tests.faults.stage import Stage


@pytest.mark.timeout(180)
def test_a_crash_of_health_and_of_intake_changes_nothing(stage: Stage, seed: int) -> None:
    """Both killed with work in their hands: what was sent counts once, and the oracle would see it if not."""
    traffic = Traffic(seed, accounts=20)
    stage.start()
    stage.feeder.send_all(traffic.facts())
    stage.feeder.send_all(traffic.events(600))
    stage.ready("health")
    stage.ready("intake")
    for name in ("health", "intake"):
        stage.kill(name)
        stage.line.fault(f"kill -9 {name}")
    stage.feeder.send_all(traffic.events(600))
    stage.start("health", "intake")
    stage.lag_0()
    stage.judge()

    found = gather(stage.brokers)
    for promise, damage in DAMAGES:
        damaged = copy.deepcopy(found)
        damage(damaged)
        broken = {violation.partition(":")[0] for violation in judge(stage.ground_truth, damaged)}
        assert promise in broken, f"the oracle has overlooked {damage.__name__}"


def an_entry_is_missing(found: Evidence) -> None:
    found.entries[0].pop()


def an_entry_is_somebody_elses(found: Evidence) -> None:
    found.entries[0][-1] = found.entries[0][-1]._replace(account_id="nobody")


def an_event_counted_twice(found: Evidence) -> None:
    found.folds[0].counters.events += 1


def a_login_counted_twice(found: Evidence) -> None:
    a_state(found).logins.counts[-1] += 1


def a_closed_ticket_is_open(found: Evidence) -> None:
    lifecycles = [state.tickets.lifecycle for fold in found.folds.values() for state in fold.states.values()]
    lifecycle = next(lifecycle for lifecycle in lifecycles if lifecycle.closed)
    lifecycle.open.update(lifecycle.closed)


def a_change_is_missing(found: Evidence) -> None:
    found.outputs[CHANGE].pop(0)


def a_repeat_has_other_bytes(found: Evidence) -> None:
    found.outputs[CURRENT].append(found.outputs[CURRENT][-1]._replace(value=b"other"))


def an_alert_is_missing(found: Evidence) -> None:
    found.outputs[ALERT].pop(0)


def an_address_got_through(found: Evidence) -> None:
    found.behind_the_intake.append(CANARY.encode())


def a_state(found: Evidence) -> AccountState:
    return next(iter(found.folds[0].states.values()))


DAMAGES: tuple[tuple[str, Callable[[Evidence], None]], ...] = (
    ("I1", an_entry_is_missing),
    ("I1", an_entry_is_somebody_elses),
    ("I2", an_event_counted_twice),
    ("I4", a_login_counted_twice),
    ("I4", a_closed_ticket_is_open),
    ("I3", a_change_is_missing),
    ("I3", a_repeat_has_other_bytes),
    ("I5", an_alert_is_missing),
    ("I7", an_address_got_through),
)
"""What might have gone wrong, and the promise that it breaks."""
