"""Who may go on, given what each partition has: the bookkeeping that keeps partitions aligned in time."""

from collections.abc import Sequence
from typing import Any

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from agents.lane.alignment import TimeAlignment
from tests.unit.agents.lane_in_memory import record

A, B, C = TP("invoices", 0), TP("logins", 0), TP("surveys", 0)
LEAD, PATIENCE = 120, 60
NOW = 10_000_000

Moves = list[tuple[TP, list[int]]]


class Inputs:
    """
    Partitions with records at these times, in seconds. A poll brings *at_a_time* of each, of *silent* ones
    none.
    """

    def __init__(self, times: dict[TP, Sequence[int]], *, at_a_time: int = 5_000) -> None:
        self.alignment = TimeAlignment(max_drift_seconds=LEAD, patience_seconds=PATIENCE)
        self.left = {
            tp: [record(tp, offset, timestamp=at * 1000) for offset, at in enumerate(of_partition)]
            for tp, of_partition in times.items()
        }
        self.at_a_time = at_a_time
        self.silent: set[TP] = set()

    def poll(self, *, seconds: float = 0.0) -> Moves:
        """Poll once, which takes *seconds*, and return what goes on."""
        asked = self.alignment.to_poll(set(self.left))
        came: dict[TP, list[Any]] = {}
        for tp in sorted(asked - self.silent):
            if self.left[tp]:
                came[tp], self.left[tp] = self.left[tp][: self.at_a_time], self.left[tp][self.at_a_time :]
        unread = {tp for tp in asked if self.left[tp] or tp in self.silent}
        self.alignment.polled(came, asked=asked, unread=unread, seconds=seconds)
        return [
            (tp, [r.timestamp // 1000 for r in records]) for tp, records in self.alignment.go_on(NOW * 1000)
        ]

    def waiting(self) -> set[TP]:
        """Partitions with records that were polled and have not gone on."""
        return {tp for tp in self.left if self.alignment.is_waiting(tp)}


def test_what_is_ahead_waits_until_the_slowest_comes_near() -> None:
    """
    The login at 1000 s goes on when no invoice before 880 s is left; the first poll brings two invoices.

        invoices  0 - - - - 500 | - - - - 900 - 1000
        logins    0 - - - - - - - - - - - - - - 1000
    """
    inputs = Inputs({A: [0, 500, 900, 1000], B: [0, 1000]}, at_a_time=2)

    assert inputs.poll() == [(A, [0]), (B, [0]), (A, [500])]
    assert inputs.waiting() == {B}
    assert inputs.poll() == [(B, [1000]), (A, [900, 1000])]
    assert inputs.waiting() == set()


def test_one_poll_of_days_goes_on_in_pieces_in_order_of_time() -> None:
    """
    A sparse input brings weeks in one poll; it takes turns with the others, never more than the lead ahead.
    """
    hours = [hour * 3600 for hour in range(40)]
    inputs = Inputs({A: hours, B: [at + 1800 for at in hours]})

    moves = inputs.poll()

    assert [at for _, times in moves for at in times] == sorted([*hours, *(at + 1800 for at in hours)])


def test_a_partition_that_waits_is_not_polled() -> None:
    """So at most one poll of it is in memory, however far ahead it is."""
    inputs = Inputs({A: range(0, 1_000_000, 100), B: range(500_000, 1_000_000)}, at_a_time=10)

    for _ in range(5):
        inputs.poll()

    assert inputs.alignment.to_poll({A, B}) == {A}
    assert len(inputs.left[B]) == 500_000 - 10


def test_nothing_overtakes_a_partition_of_which_nothing_is_known() -> None:
    """
    Right after an assignment, an input may not have been fetched when another one is; it may be days back.
    """
    inputs = Inputs({A: [0], B: [500_000]})
    inputs.silent = {A}

    assert inputs.poll() == []

    inputs.silent = set()
    assert inputs.poll() == [(A, [0]), (B, [500_000])]


def test_a_partition_at_its_end_holds_nobody_back() -> None:
    """An empty input, and one whose last record is a year old, have nothing that could come too late."""
    inputs = Inputs({A: [], B: [0], C: [500_000]})

    assert inputs.poll() == [(B, [0]), (C, [500_000])]


def test_a_partition_that_stays_away_holds_back_for_a_while_only() -> None:
    """
    Its leader is away with records unread: after 60 s of polling the others go on, and it counts again when
    it is back.

        seconds polled in vain    0 - - 30 - - 60
    """
    inputs = Inputs({A: [0, 1, 2, 3], B: [500_000]}, at_a_time=2)
    inputs.poll()
    inputs.silent = {A}

    assert inputs.poll(seconds=30) == []
    assert inputs.poll(seconds=30) == [(B, [500_000])]

    inputs.left[B] = [record(B, 1, timestamp=600_000_000)]
    inputs.silent, inputs.at_a_time = set(), 1
    assert inputs.poll() == [(A, [2])]
    assert inputs.waiting() == {B}


def test_a_poll_that_brings_something_of_it_renews_the_patience_with_a_partition() -> None:
    """Slow is not away."""
    inputs = Inputs({A: [0, 1, 2, 3], B: [500_000]}, at_a_time=1)

    moved = [inputs.poll(seconds=50) for _ in range(3)]

    assert moved == [[(A, [0])], [(A, [1])], [(A, [2])]]


def test_a_timestamp_in_the_future_counts_as_the_present() -> None:
    """A producer's clock may be wrong by years; its events are neither lost nor waited for."""
    inputs = Inputs({A: [NOW - 10, NOW - 5], B: [NOW + 1_000_000]}, at_a_time=1)

    assert inputs.poll() == [(A, [NOW - 10]), (B, [NOW + 1_000_000])]


def test_an_input_of_old_timestamps_only_does_not_starve_the_others() -> None:
    """
    A mirrored topic keeps the times of its source; whenever all there is of it was read, the others go on.
    """
    inputs = Inputs({A: [5], B: [NOW - 20, NOW - 10]})

    for number in range(3):
        inputs.left[A] = [record(A, number + 1, timestamp=5_000)]
        inputs.left[B] = [record(B, number + 2, timestamp=(NOW - 9 + number) * 1000)]
        assert (A, [5]) in inputs.poll()
        assert inputs.waiting() == set()


def test_a_revoked_partition_holds_nobody_back() -> None:
    """What is left of it is another worker's business."""
    inputs = Inputs({A: [0, 1], B: [500_000]}, at_a_time=1)
    inputs.poll()
    assert inputs.waiting() == {B}

    del inputs.left[A]
    inputs.alignment.forget({A})

    assert inputs.poll() == [(B, [500_000])]


def test_little_is_handed_over_at_a_time_and_the_rest_at_once() -> None:
    """A hundred batches are enough for a poll; the next one does not wait for records from the broker."""
    inputs = Inputs({A: range(0, 1_000_000, 1000), B: range(500, 1_000_000, 1000)})

    assert len(inputs.poll()) == 100
    assert inputs.alignment.poll_seconds(1.0) == 0.0


def test_a_poll_is_short_while_something_waits_for_the_end_of_another() -> None:
    """That nothing more comes of a partition is told by an empty fetch, which wakes nobody."""
    inputs = Inputs({A: [0, 1], B: [500_000]}, at_a_time=1)
    inputs.silent = {A}
    inputs.poll()

    assert inputs.alignment.poll_seconds(1.0) == 0.1


@given(
    times=st.lists(st.lists(st.integers(0, 3_000), max_size=30).map(sorted), min_size=1, max_size=4),
    at_a_time=st.integers(1, 7),
)
def test_whatever_the_inputs_all_of_it_goes_on_and_no_further_apart_than_the_lead(
    times: list[list[int]], at_a_time: int
) -> None:
    """
    In the order in which records go on, none is more than the lead behind one before it; each partition in
    order.
    """
    tps = [TP("input", number) for number in range(len(times))]
    inputs = Inputs(dict(zip(tps, times, strict=True)), at_a_time=at_a_time)
    moves: Moves = []

    while any(inputs.left.values()) or inputs.waiting():
        moved = inputs.poll()
        assert moved
        moves += moved

    newest = 0
    for _, piece in moves:
        for at in piece:
            assert newest - at <= LEAD
            newest = max(newest, at)
    for tp, of_partition in zip(tps, times, strict=True):
        assert [at for of, piece in moves if of == tp for at in piece] == of_partition
