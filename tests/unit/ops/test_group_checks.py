"""
What two looks at a consumer group say: dead, lossy, stuck, falling behind, catching up, alive, or not to be
told.
"""

import pytest

from pipeline.kafka.records import PartitionLag
from pipeline.ops.checks.check_groups import Look, Reader, judge

READER = Reader(group="readers", topics=("a",), command="telltale worker a", if_lost="Send them again.")


def look(
    *partitions: tuple[int | None, int], first: int = 0, members: int | None = 1, pulse: int = 0
) -> Look:
    """A look at partitions, each as what is committed and where it ends."""
    lags = tuple(
        PartitionLag(
            topic="a",
            partition=number,
            first=first,
            committed=committed,
            end=end,
            records=max(0, end - max(first, committed or 0)),
        )
        for number, (committed, end) in enumerate(partitions)
    )
    return Look(lags=lags, members=members, pulse=pulse)


def told(first: Look, last: Look) -> list[tuple[str, str]]:
    """State and sentence of each finding of looks 15 s apart."""
    return [(found.state, found.says) for found in judge(READER, first, last, seconds=15)]


def test_a_group_without_members_fails_however_little_is_unread() -> None:
    """160 records unread are nothing, if anybody is there to read them."""
    dead = look((40, 200), members=0)

    [found] = judge(READER, dead, dead, seconds=0)

    assert found.state == "FAIL"
    assert found.says == "readers has no live member, 160 records unread"
    assert found.hint == "Start `telltale worker a`."


def test_records_that_were_deleted_before_they_were_read_fail() -> None:
    """Though the group has read on since it looks well."""
    well = look((40, 200), first=100), look((40, 200), first=100, members=0)

    assert told(*well)[0] == ("FAIL", "readers: 60 records were deleted before it had read them")


def test_a_group_that_has_read_all_and_lost_some_is_not_ok() -> None:
    """Committed at 90, the log begins and ends at 100: nothing is unread, and ten are gone."""
    lossy = look((90, 100), first=100)

    assert told(lossy, lossy) == [("FAIL", "readers: 10 records were deleted before it had read them")]


def test_a_member_that_stands_still_fails() -> None:
    """It is in its group and reads nothing: a sink whose database refuses it, for one."""
    found = told(look((5, 5), (0, 3)), look((9, 9), (0, 8)))

    assert found == [("FAIL", "readers stands still for 15 s, a[1] for one; 8 records unread")]


def test_a_group_that_has_never_read_what_waits_stands_still() -> None:
    """Nothing was ever committed."""
    assert told(look((None, 3), members=None), look((None, 3), members=None))[0][0] == "FAIL"


@pytest.mark.parametrize(("unread_at_last", "state"), [(900, "warn"), (1000, "FAIL"), (1100, "FAIL")])
def test_a_lag_has_to_fall(unread_at_last: int, state: str) -> None:
    """A backlog that shrinks needs patience; any other one needs somebody."""
    first, last = look((0, 1000)), look((500, 500 + unread_at_last))

    [found] = told(first, last)

    assert found == (state, f"readers: {unread_at_last:,} records unread, 1,000 were 15 s before")


def test_an_input_that_waits_for_one_further_back_in_time_is_not_stuck() -> None:
    """The intake reads what is oldest first: partition 1 stands while 0 catches up."""
    [found] = told(look((0, 1000), (0, 10)), look((500, 1000), (0, 10)))

    assert found[0] == "warn"


def test_who_has_read_what_was_there_is_alive() -> None:
    """More may have come meanwhile."""
    assert told(look((0, 5)), look((5, 7))) == [("ok", "readers: live members: 1, 2 records unread")]


def test_without_members_named_only_movement_shows_life() -> None:
    """The embedded broker names none: what has nothing to read and no pulse is never called well."""
    idle = look((5, 5), members=None)

    assert told(idle, idle)[0][0] == "warn"
    assert "cannot be told here" in told(idle, idle)[0][1]
    assert told(idle, look((6, 6), members=None))[0][0] == "ok"
    assert told(idle, look((5, 5), members=None, pulse=1))[0][0] == "ok"
