"""Who is active, and who of the important ones is missing."""

from array import array
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.health.events import Role
from pipeline.health.people import (
    EVICTED_OTHERS,
    FORGOTTEN_AT_ONCE,
    MAX_PEOPLE,
    MEMORY_DAYS,
    ROLES,
    People,
)
from tests.unit.health.health_builders import person

Logins = list[tuple[int, int]]


def seen(logins: Logins) -> People:
    people = People()
    for who, day in logins:
        people.saw(person(who), day, "USER")
    return people


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1000, 1100)), max_size=80))
def test_active_people_are_counted_exactly(logins: Logins) -> None:
    """However the logins come, everybody counts once if their last day lies in the window."""
    people = seen(logins)
    today = max((day for _, day in logins), default=1000)

    last_days = {who: max(day for other, day in logins if other == who) for who, _ in logins}
    assert people.active(today, 28) == sum(last > today - 28 for last in last_days.values())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1000, 1090)), max_size=60), st.randoms())
def test_the_order_of_logins_does_not_show(logins: Logins, rng: Random) -> None:
    """Any order gives everybody the same last day and the same active days."""
    shuffled = logins.copy()
    rng.shuffle(shuffled)

    one, other = (
        {
            bytes(people.ids[8 * at : 8 * at + 8]): (people.last_days[at], people.active_days[at])
            for at in range(len(people))
        }
        for people in (seen(logins), seen(shuffled))
    )

    assert one == other


def test_columns_restore_the_same_people() -> None:
    """What a state holds is enough to go on."""
    people = seen([(1, 1000), (2, 1001), (1, 1003)])

    again = People(
        bytes(people.ids), people.last_days.tobytes(), people.active_days.tobytes(), people.roles.tobytes()
    )
    again.saw(person(1), 1004, "USER")

    assert again.active(1004, 1) == 1
    assert again.active(1004, 28) == 2


def test_who_was_not_seen_for_long_is_forgotten() -> None:
    """The columns hold the people of the last weeks, in the order they came."""
    people = seen([(1, 1000), (2, 1050), (3, 1060)])

    people.forget(1000 + MEMORY_DAYS)

    assert people.ids == person(2) + person(3)
    assert people.active(1060, MEMORY_DAYS) == 2


def regulars(people: People, who: range, days: range, role: str = "USER") -> None:
    for number in who:
        for day in days:
            people.saw(person(number), day, role)  # type: ignore[arg-type]


def test_a_champion_who_stops_while_others_go_on_is_missing() -> None:
    """The gap a champion leaves shows after the scorecard's days."""
    people = People()
    regulars(people, range(1, 2), range(1000, 1020), "CHAMPION")
    regulars(people, range(2, 6), range(1000, 1045))

    found = people.key_people(1044, missing_days=21, power_days=12, regular_days=3)

    assert (found.sponsors_missing, found.missing_role, found.missing_days) == (1, "CHAMPION", 25)


def test_nobody_is_missing_when_a_change_of_sign_on_renames_everybody() -> None:
    """All old names stop on one day and nobody goes on: that is no loss of a person."""
    people = People()
    regulars(people, range(1, 2), range(1000, 1020), "CHAMPION")
    regulars(people, range(2, 6), range(1000, 1020))
    regulars(people, range(11, 16), range(1020, 1045))

    assert people.key_people(1044, missing_days=21, power_days=12, regular_days=3).missing == 0


def test_an_executive_who_looked_in_twice_cannot_be_missed() -> None:
    """A rhythm needs some days before its end means anything."""
    people = People()
    regulars(people, range(1, 2), range(1000, 1002), "EXECUTIVE")
    regulars(people, range(2, 6), range(1000, 1045))

    assert people.key_people(1044, missing_days=21, power_days=12, regular_days=3).missing == 0


def test_who_comes_once_a_month_is_not_missing_after_three_weeks() -> None:
    """A person's own longest pause, twice, is allowed."""
    people = People()
    for day in (1000, 1015, 1030):
        people.saw(person(1), day, "EXECUTIVE")
    regulars(people, range(2, 6), range(1000, 1058))

    assert people.key_people(1055, missing_days=21, power_days=12, regular_days=3).missing == 0
    assert people.key_people(1060, missing_days=21, power_days=12, regular_days=3).missing == 1


def columns(people: People) -> tuple[bytes, bytes, bytes, bytes, int]:
    return (
        bytes(people.ids),
        people.last_days.tobytes(),
        people.active_days.tobytes(),
        people.roles.tobytes(),
        people.evicted,
    )


def crowd(number: int) -> People:
    """As many people, seen on the days from 1000 to 1059 in no order."""
    days = array("H", [1000 + at * 37 % 60 for at in range(number)])
    ids = b"".join(map(person, range(number)))
    return People(ids, days.tobytes(), array("Q", [1] * number).tobytes(), bytes(number))


def test_an_older_state_with_more_people_than_are_remembered_loses_all_who_are_too_many() -> None:
    """Releases without a limit wrote such states; they grew until no append was taken."""
    people = crowd(MAX_PEOPLE + 12_345)

    last_seen = people.saw(b"somebody", 1059, "USER")

    assert last_seen == EVICTED_OTHERS
    assert len(people) == MAX_PEOPLE - FORGOTTEN_AT_ONCE + 1
    assert people.evicted == 12_345 + FORGOTTEN_AT_ONCE


@settings(max_examples=3, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2 * MAX_PEOPLE), st.integers(990, 1130), st.sampled_from(ROLES)),
        min_size=20,
        max_size=200,
    ),
    st.integers(1, 20),
)
def test_a_restart_does_not_change_who_has_to_leave(logins: list[tuple[int, int, Role]], every: int) -> None:
    """Places and counts that no state holds are made again of the columns, before and behind an eviction."""
    smooth = crowd(MAX_PEOPLE - 3)
    restarting = People(*columns(smooth))

    for number, (who, day, role) in enumerate(logins):
        if number % every == 0:
            restarting = People(*columns(restarting))
        assert smooth.saw(person(who), day, role) == restarting.saw(person(who), day, role)
        assert smooth.active(day, 28) == restarting.active(day, 28)
        if number % 10 == 9:
            smooth.forget(day)
            restarting.forget(day)

    assert columns(restarting) == columns(smooth)
