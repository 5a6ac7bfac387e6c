"""``telltale bench`` measures what it says: both engines do the same work, and every result is there."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.bench.changelog import Changelog, differing_states, read_outputs
from pipeline.bench.fold import Run, differing_records, make_log, run_health, run_yardstick
from pipeline.bench.latency import measure_latency
from pipeline.bench.restore import measure_restore
from pipeline.bench.results import Result
from pipeline.bench.stage import Stage, open_stage
from pipeline.embedded.kafka_local import LocalKafka
from pipeline.wire.account_state import account_fields
from pipeline.wire.position import Position, pack_position
from pipeline.wire.state import decode_account

ACCOUNTS, EVENTS = 200, 3_000


@pytest.fixture(scope="module")
def stage(kafka: LocalKafka) -> Iterator[Stage]:
    """On the broker of the test run."""
    with open_stage(kafka.bootstrap, print) as stage:
        yield stage


@pytest.fixture(scope="module")
def runs(stage: Stage) -> tuple[Run, Run]:
    """The health worker and the yardstick over the same log."""
    entries = make_log(ACCOUNTS, EVENTS, skew=0.9).entries
    return run_health(stage, entries), run_yardstick(stage, entries)


@pytest.mark.kafka
def test_health_and_yardstick_end_with_the_same_states(runs: tuple[Run, Run]) -> None:
    """Otherwise one of them is fast by leaving something out."""
    health, yardstick = (
        {account: account_fields(decode_account(value)) for account, value in run.changelog.states.items()}
        for run in runs
    )

    assert len(health) == ACCOUNTS
    assert health == yardstick


@pytest.mark.kafka
def test_health_and_yardstick_put_out_the_same_bytes(stage: Stage, runs: tuple[Run, Run]) -> None:
    """Every snapshot, change and alert of every account, in the same order."""
    health, yardstick = (read_outputs(stage.client, run.contract) for run in runs)

    assert {topic for topic, _ in health} >= {"health.current.v1", "health.change.v1"}
    assert health == yardstick
    assert differing_records(stage, *runs) == 0


def test_a_state_that_differs_is_counted_and_a_position_is_not() -> None:
    """How a log is cut into steps shows in positions only."""
    here, there = pack_position(Position(1, 7, 0)), pack_position(Position(1, 9, 0))
    one = Changelog(states={b"a": here + b"same", b"b": here + b"one"})
    other = Changelog(states={b"a": there + b"same", b"b": here + b"other", b"c": here})

    assert differing_states(one, other) == 1
    assert differing_states(one, Changelog()) == 2


@pytest.mark.kafka
def test_both_rates_come_from_the_brokers_times(runs: tuple[Run, Run]) -> None:
    """All of the log is folded, by each in its own time."""
    health, yardstick = runs

    assert health.changelog.entries == yardstick.changelog.entries > EVENTS
    assert (health.stretch.rate or 0) > (yardstick.stretch.rate or 0) > 0
    assert health.changelog.records < yardstick.changelog.records


def test_rates_count_from_the_first_append_where_nobody_knows_when_the_worker_began() -> None:
    """
    Entries per partition, and when the changelog had them.

    #  partition 0:  |-- 10 at 1 s --|------ 30 at 3 s
    #  partition 1:  ........|-- 5 at 2 s
    """
    changelog = Changelog()
    changelog.steps[0] = [(1_000, 10), (3_000, 30)]
    changelog.steps[1] = [(2_000, 5)]

    assert changelog.stretch() == (1.0, 3.0, 25)
    assert changelog.stretch(ready_at=0.5) == (0.5, 3.0, 35)
    assert changelog.reached({0: 11, 1: 5}) == 3.0


@pytest.mark.kafka
def test_the_command_tells_every_result_as_json(kafka: LocalKafka) -> None:
    """One object a line on stdout, the machine first; progress on stderr."""
    words = f"bench --only fold,whole --accounts {ACCOUNTS} --events {EVENTS} --rounds 1 --json"
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *words.split(), "--brokers", kafka.bootstrap],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    machine, *rows = map(json.loads, done.stdout.splitlines())
    assert machine["measure"] == "machine"
    found = {(row["measure"], row["result"]): row for row in rows}
    for engine in ("health", "yardstick"):
        for name in ("rate", "CPU", "memory", "changelog records", "changelog", "outputs"):
            assert found["fold", f"{engine}: {name}"]["median"] > 0
    assert found["fold", "health / yardstick"]["min"] > 1
    assert found["fold", "states and outputs that differ"]["values"] == [0]
    assert found["whole", "rate"]["median"] > 0
    assert "fold: round 1 of 1, yardstick:" in done.stderr


def test_an_unknown_measurement_is_wrong_usage() -> None:
    """Before a broker is started for nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "bench", "--only", "fould"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "fould; known are fold, uniform, whole, latency, restore" in done.stderr


@pytest.mark.kafka
def test_latency_is_from_the_planned_moment_to_the_row(stage: Stage) -> None:
    """Each sample is a ticket whose change is in Postgres; most of the tickets make one."""
    results = by_name(measure_latency(stage, rate=100, seconds=4, warm_up_seconds=1))

    assert results["samples"][0] > 0.5 * 0.15 * 400
    assert 0 < results["p50"][0] <= results["p99"][0] <= results["max"][0]


@pytest.mark.kafka
def test_a_killed_worker_has_all_its_accounts_back_when_it_is_ready(stage: Stage) -> None:
    """The seconds run from the start of the process; a worker that is ready too early would fail the run."""
    results = by_name(measure_restore(stage, accounts=500, rounds=1))

    assert 0 < results["process start to ready"][0] < 60
    assert results["accounts"] == (500,)
    assert results["account state, largest"][0] >= results["account state, mean"][0] > 100


def by_name(results: list[Result]) -> dict[str, tuple[float, ...]]:
    """Values of the results of one measurement."""
    return {result.name: result.values for result in results}
