"""Same log, same bytes: however it is cut into steps, and through crashes anywhere."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.outputs import AlertEvent, HealthChange
from pipeline.health.windows import DAY
from pipeline.scorecards import read_documents
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD, unpack_position
from pipeline.wire.state import (
    StatesDiffer,
    decode_account,
    decode_fold,
    decode_record,
    encode_account,
    encode_record,
    position_of,
)
from pipeline.wire.state_fields import NewerState
from tests.unit.health.health_builders import START
from tests.unit.health.health_logs import WHOLE, Worker, random_log

seeds = st.integers(0, 10_000)
few = settings(max_examples=4, deadline=None)


@few
@given(seeds)
def test_the_same_log_gives_the_same_outputs_and_states(seed: int) -> None:
    """A replay is byte for byte the first run."""
    log = random_log(seed)

    one, other = Worker().run(log, WHOLE), Worker().run(log, WHOLE)

    assert one.outputs == other.outputs
    assert one.table == other.table


@few
@given(seeds, st.integers(1, 5000))
def test_how_the_log_is_cut_does_not_show(seed: int, limit: int) -> None:
    """Steps that end inside ticks and scorecards give the same outputs and states as one that never ends."""
    log = random_log(seed)

    whole, cut = Worker().run(log, WHOLE), Worker().run(log, limit)

    assert cut.outputs == whole.outputs
    assert cut.states() == whole.states()


@few
@given(seeds, st.integers(20, 60))
def test_a_worker_that_starts_again_goes_on_as_if_nothing_had_happened(seed: int, crash_every: int) -> None:
    """A decoded state is the state: wherever the worker stood, also inside a tick."""
    log = random_log(seed)

    smooth = Worker().run(log, WHOLE)
    crashing = Worker().run(log, 1, crash_every)

    assert crashing.outputs == smooth.outputs
    assert crashing.states() == smooth.states()
    assert encode_record(crashing.fold.record()) == encode_record(smooth.fold.record())


@few
@given(seeds)
def test_what_is_encoded_decoded_and_encoded_again_is_the_same(seed: int) -> None:
    """Every state of a run, byte for byte."""
    worker = Worker().run(random_log(seed), WHOLE)
    position = position_of(worker.fold)

    for state in worker.fold.states.values():
        value = encode_account(position, state)
        assert encode_account(position, decode_account(value)) == value


def test_a_crash_inside_a_tick_was_really_tried() -> None:
    """Steps of one timer each stop between two timers, with the count in the position."""
    log = random_log(1)
    worker = Worker()
    inside = 0

    while worker.fold.next_offset < len(log):
        offset = worker.fold.next_offset
        entry = log[offset][1]
        if isinstance(entry.body, Tick) and not worker.fold.advance(entry, offset, 1):
            inside += 1
        elif not isinstance(entry.body, Tick):
            worker.run(log[: offset + 1], 1)
        worker.write(worker.fold.take_step())
        position = unpack_position(worker.table[PARTITION_RECORD])
        assert (position.next_offset, position.timers_fired) == (
            worker.fold.next_offset,
            worker.fold.timers_fired,
        )
        if inside % 10 == 1:
            worker.start_again()

    assert inside > 10


@few
@given(seeds, seeds)
def test_redelivery_changes_nothing_and_alerts_nobody_twice(seed: int, start: int) -> None:
    """What an intake crash repeats stands in the log again, at new offsets, and is dropped by its marks."""
    log = random_log(seed)
    events = [pair for pair in log if pair[0]]
    at = start % len(log)
    repeated = [pair for pair in log[:at] if pair[0]][-30:]

    once = Worker().run(log, WHOLE)
    twice = Worker().run(log[:at] + repeated + log[at:], WHOLE)

    assert twice.outputs == once.outputs
    assert twice.fold.counters.repeats == len(repeated)
    assert len(events) == twice.fold.counters.events


@few
@given(seeds)
def test_versions_points_and_alerts_hold_their_promises(seed: int) -> None:
    """
    Versions rise by one; scores lie in 0 to 100; points sum up; of one sign one alert is open at a time.
    """
    outputs = Worker().run(random_log(seed), WHOLE).outputs

    versions: dict[str, int] = {}
    open_alerts: dict[tuple[str, str], AlertEvent] = {}
    for account, output in outputs:
        if isinstance(output, AlertEvent):
            key = (account, output.sign)
            last = open_alerts.pop(key, None)
            if output.transition in {"OPENED", "REOPENED"}:
                assert last is None
            else:
                assert last is not None
                assert (output.alert_id, output.sequence) == (last.alert_id, last.sequence + 1)
            if output.transition != "RESOLVED":
                open_alerts[key] = output
            if output.score_before is not None and output.score_after is not None:
                points = sum(points for _, points in output.points)
                assert abs(points - (output.score_after - output.score_before)) < 0.01
            continue
        if isinstance(output, HealthChange):
            if output.score_before is not None and output.score_after is not None:
                points = sum(move.points for move in output.points)
                assert abs(points - (output.score_after - output.score_before)) < 0.01
            continue
        assert output.version == versions.get(account, 0) + 1
        versions[account] = output.version
        assert all(0 <= part.score <= 100 for part in output.components if part.score is not None)
        if output.score is None:
            assert output.coverage < 0.5
        else:
            assert 0 <= output.score <= 100
            assert abs(sum(part.points for part in output.components) - output.score) < 0.01


@few
@given(seeds, st.randoms())
def test_the_order_within_a_day_does_not_show_in_the_health(seed: int, rng: Random) -> None:
    """Events of one day, all heard by its end, score alike in any order."""
    day = [
        (account, LogEntry(START + DAY, "test", 0, number, entry.body))
        for number, (account, entry) in enumerate(random_log(seed, entries=60))
        if account
        and not isinstance(entry.body, Tick | Scorecards)
        and entry.body.occurred_at // DAY == START // DAY
    ]
    shuffled = [(account, entry.body) for account, entry in day]
    rng.shuffle(shuffled)
    start, end = random_log(seed)[0], ("", LogEntry(START + 2 * DAY, "", 0, 0, Tick()))
    other = [
        (account, LogEntry(START + DAY, "test", 0, number, body))
        for number, (account, body) in enumerate(shuffled)
    ]

    runs = [Worker().run([start, *events, end], WHOLE).fold.states for events in (day, other)]

    seen = [
        {name: (s.derived.scores, s.derived.score, s.dark_at, s.facts, s.override) for name, s in run.items()}
        for run in runs
    ]
    assert seen[0] == seen[1]


def test_states_that_do_not_belong_to_the_record_are_refused() -> None:
    """One account too few, or no scorecards: the fold would not be that of a prefix."""
    worker = Worker().run(random_log(3), WHOLE)
    states = dict(worker.table)
    record, cards = states.pop(PARTITION_RECORD), states.pop(SCORECARDS_RECORD)

    with pytest.raises(StatesDiffer, match="active scorecards are missing"):
        decode_fold(0, record, states, None, read_documents)
    states.pop(b"alder")
    with pytest.raises(StatesDiffer, match="counts 3 accounts, the state table holds 2"):
        decode_fold(0, record, states, cards, read_documents)


def test_a_state_of_a_newer_program_is_refused() -> None:
    """It may hold what this one would drop."""
    worker = Worker().run(random_log(3), WHOLE)
    value = bytearray(worker.table[PARTITION_RECORD])
    value[17] = 99

    with pytest.raises(NewerState, match="version 99, this program reads up to 3"):
        decode_record(bytes(value))
