"""Rings of buckets and the calendar they are cut from."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.windows import DAY, Ring, date_text, day_of, longest_pause, week_of


def test_a_late_count_lands_in_its_own_bucket() -> None:
    """The ring moves with the newest bucket, and what comes late is counted where it belongs."""
    ring = Ring(7)

    ring.add(10)
    ring.add(8)

    #  |-- 8: 1 --|-- 9: 0 --|-- 10: 1 --|
    assert [ring.total(day, day) for day in (8, 9, 10)] == [1, 0, 1]


def test_what_is_older_than_the_ring_is_refused_and_counted_nowhere() -> None:
    """A bucket that has left the ring does not come back into the place of a newer one."""
    ring = Ring(7)
    ring.add(20)

    assert ring.add(13) == -1
    assert ring.total(0, 20) == 1


def test_the_first_count_of_a_bucket_can_be_told_from_the_next() -> None:
    """Adding says how many there were before."""
    ring = Ring(7)

    assert [ring.add(5), ring.add(5), ring.add(6)] == [0, 1, 0]


def test_a_count_stops_at_the_largest_number_its_type_holds() -> None:
    """A flood of tickets saturates a bucket instead of breaking the fold."""
    ring = Ring(4, "B")

    for _ in range(300):
        ring.add(1)

    assert ring.total(1, 1) == 255


def test_a_total_asked_beyond_the_ring_counts_what_the_ring_has() -> None:
    """Windows may begin before the first bucket and end after the last."""
    ring = Ring(7)
    for day in range(100, 110):
        ring.add(day)

    assert ring.total(0, 1000) == 7
    assert ring.total(111, 120) == 0


@given(st.lists(st.integers(1000, 1040), min_size=1, max_size=60))
def test_whatever_the_order_of_arrival_a_ring_counts_the_newest_buckets(days: list[int]) -> None:
    """
    Each bucket has what was counted in it since the ring last had to let it go; windows and patterns say the
    same.
    """
    ring, counts = Ring(16), Counter[int]()

    for day in days:
        before = ring.add(day)
        assert before == (counts[day] if day > max(counts, default=0) - 16 else -1)
        counts[day] += before >= 0

    newest = max(days)
    held = [counts[day] for day in range(newest - 15, newest + 1)]
    assert [ring.total(day, day) for day in range(newest - 15, newest + 1)] == held
    assert ring.total(newest - 9, newest) == sum(held[-10:])
    assert ring.total(0, newest - 16) == 0
    assert f"{ring.pattern(newest - 15, newest):016b}" == "".join("1" if count else "0" for count in held)


@given(st.lists(st.integers(1000, 1040), min_size=1, max_size=60), st.integers(1000, 1060))
def test_a_restored_ring_goes_on_as_if_it_had_never_been_away(days: list[int], day: int) -> None:
    """
    Its memory, without the zeros it opens with, is all there is to it; late counts and new ones find their
    places.
    """
    ring, again = Ring(16, "H"), Ring(16, "H")
    for earlier in days:
        ring.add(earlier)
    again.restore(ring.newest, ring.counts.tobytes().lstrip(b"\0"))

    assert again.add(day) == ring.add(day)
    assert [again.total(at, at) for at in range(1000, 1061)] == [
        ring.total(at, at) for at in range(1000, 1061)
    ]
    assert again.pattern(1000, 1060) == ring.pattern(1000, 1060)


def test_the_pattern_has_a_bit_for_each_bucket_that_counted_something() -> None:
    """The lowest bit is the last bucket asked for."""
    ring = Ring(7)
    for day in (4, 5, 7):
        ring.add(day)

    assert ring.pattern(3, 7) == 0b01101


@given(st.sets(st.integers(0, 63)))
def test_the_longest_pause_is_the_widest_distance_between_neighbours(days: set[int]) -> None:
    """By bits it is the same as by walking through the days."""
    ordered = sorted(days)
    walked = max((later - earlier for earlier, later in pairwise(ordered)), default=0)

    assert longest_pause(sum(1 << day for day in days)) == walked


def test_days_and_weeks_are_those_of_the_utc_calendar() -> None:
    """Day 0 was Thursday 1 January 1970, and weeks begin on Monday."""
    monday_after = 4

    assert day_of(DAY - 1) == 0
    assert [week_of(day) for day in (0, monday_after - 1, monday_after)] == [0, 0, 1]
    assert date_text(20_770) == "2026-11-13"
