"""
One partition held against the fold of its log: what is compared where, what is missing, and what is only
late.
"""

from dataclasses import replace

from pipeline.audit.differences import Made, differing_fields, event_of, shown
from tests.unit.audit.audit_builders import CONTRACT, Written, history


def test_all_that_is_written_is_found_as_it_should_be() -> None:
    """Each state at the position it was written at: one account's last change is older than the other's."""
    written = Written().fold()
    changes, alerts = len(written.outputs.changes), len(written.outputs.alerts)

    found = written.check()

    assert found.differences == []
    assert found.compared == {"states": 2, "snapshots": 2, "changes": changes, "alert events": alerts}
    assert alerts
    assert not +found.lag


def test_a_state_written_between_two_timers_is_compared_there() -> None:
    """
    A worker that was killed inside a tick leaves states that are the fold of a prefix, all the same.

        tick |- timer -|- timer -|- written -|- timer ...
    """
    long_tick = len(history()) - 2
    for timers in (1, 2, 5):
        found = Written().fold(until=long_tick, timers=timers).check()

        assert found.differences == []
        assert found.compared["states"] == 2
        assert found.lag["entries"] == 2


def test_a_worker_that_is_behind_has_lag_and_no_differences() -> None:
    """What follows from entries it has not come to need not be written."""
    found = Written().fold(until=10).check()

    assert found.differences == []
    assert found.lag["entries"] == len(history()) - 11
    assert found.lag["alert events"] > 0


def test_before_there_is_any_state_nothing_is_missing() -> None:
    """A pipeline that has just been made."""
    found = Written().check()

    assert found.differences == []
    assert found.lag["entries"] == len(history())


def test_a_missing_change_is_a_gap() -> None:
    """Whether at the beginning or in between: readers count versions."""
    written = Written().fold()
    del written.outputs.changes["acme", 2]

    assert written.differing() == [("acme", 2, "record")]


def test_what_retention_has_taken_from_the_beginning_is_no_gap() -> None:
    """Once a version is there, those behind it must be, too."""
    written = Written().fold()
    written.outputs.trimmed.add(CONTRACT.change.name)
    del written.outputs.changes["acme", 1]
    del written.outputs.changes["acme", 3]

    assert written.differing() == [("acme", 3, "record")]


def test_a_snapshot_behind_the_state_is_named_with_both_versions() -> None:
    """A frozen writer that woke up may have put an older one on top; a new reader would believe it."""
    written, older = Written().fold(), Written().fold(until=10).outputs.snapshots["beta"]
    newest = written.outputs.snapshots["beta"].version
    written.outputs.snapshots["beta"] = older

    [found] = written.check().differences

    assert (found.field, found.written, found.recomputed) == ("version", older.version, newest)


def test_an_erased_account_needs_no_snapshot() -> None:
    """Somebody has deleted it from the compacted topic on purpose."""
    written = Written().fold()
    del written.outputs.snapshots["acme"]
    written.outputs.erased.add("acme")

    assert written.differing() == []


def test_a_lost_state_is_named() -> None:
    """The partition's record counts it, so the worker would not start; here its name is told."""
    written = Written().fold()
    del written.values["acme"]

    assert written.differing() == [("acme", None, "state")]


def test_a_state_of_an_account_that_the_log_does_not_know_is_named() -> None:
    """As another log's would be."""
    written = Written().fold()
    written.values["stranger"] = written.values["acme"]

    assert written.differing() == [("stranger", None, "state")]


def test_a_state_beyond_the_end_of_the_log_is_named() -> None:
    """The log has lost its end."""
    written = Written().fold()
    written.log.pop()

    assert ("acme", None, "position") in written.differing()


def test_a_partition_record_that_counts_otherwise_is_named() -> None:
    """An event applied without its mark would be counted twice after the next crash of the intake."""
    written = Written().fold()
    account_id, last = history()[-1]
    written.record = Written(log=[*history()[:-1], (account_id, replace(last, offset=101))]).fold().record

    assert written.differing() == [("", None, "source_offsets[('login', 0)]")]


def test_fields_are_compared_as_deep_as_they_go() -> None:
    """Named by keys and places; what is in one of the two only is compared with nothing."""
    before = {"score": 61.0, "components": [{"name": "usage", "reason": "a"}], "old": 1}
    after = {"score": 62.5, "components": [{"name": "usage", "reason": "b"}], "new": 2}

    found = [(path, shown(there), shown(here)) for path, there, here in differing_fields(before, after)]

    assert found == [
        ("score", "61.0", "62.5"),
        ("components[0].reason", "'a'", "'b'"),
        ("old", "1", "nothing"),
        ("new", "nothing", "2"),
    ]


def test_an_entry_is_named_by_the_topic_it_came_from() -> None:
    """So that the record can be looked up; a tick has none."""
    offset, (_, login) = 1, history()[1]

    assert str(event_of(Made(offset, login), CONTRACT)) == "customer.login.v1[0]@0 login-0 at log offset 1"
    assert str(event_of(Made(3, history()[3][1]), CONTRACT)) == "the tick at log offset 3"
