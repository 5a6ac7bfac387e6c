"""A history file becomes log entries in the order of observation, with the passing of time between them."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.events import LogEntry, Tick
from pipeline.intake.directory import AccountDirectory
from pipeline.wire.history import BadHistory, History
from tests.unit.wire.history_builders import HOUR, MINUTE, NINE, account, event_id, file_of, login, opened


def story(history: History, until: int | None = None) -> list[tuple[int, int, str]]:
    """Minutes after nine, offset and event id (``tick`` for ticks) of every entry."""
    return [
        (
            (entry.observed_at - NINE) // MINUTE,
            entry.offset,
            "tick" if isinstance(entry.body, Tick) else event_id(entry),
        )
        for _, entry in history.entries(until)
    ]


def test_entries_come_in_the_order_of_observation(tmp_path: Path) -> None:
    """Lines of one time stay as they are in the file, and offsets rise."""
    lines = [
        login(NINE + 2 * MINUTE, "c"),
        login(NINE, "a"),
        login(NINE + 2 * MINUTE, "d"),
        login(NINE + MINUTE, "b"),
    ]

    history = opened(file_of(tmp_path, *lines))

    events = [entry for entry in story(history) if entry[2] != "tick"]
    assert events == [(0, 1, "a"), (1, 2, "b"), (2, 3, "c"), (2, 4, "d")]


def test_a_tick_at_the_last_full_hour_stands_before_what_was_observed_next(tmp_path: Path) -> None:
    """Behind what was observed by then; and the last entry is the tick of the end."""
    lines = [login(NINE - MINUTE, "a"), login(NINE, "b"), login(NINE + 130 * MINUTE, "c")]

    #      a b |           |           |  c
    # ---------9----------10----------11------- minutes after nine
    assert story(opened(file_of(tmp_path, *lines))) == [
        (-1, 1, "a"),
        (0, 2, "b"),
        (120, 0, "tick"),
        (130, 3, "c"),
        (130, 0, "tick"),
    ]


def test_time_goes_on_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """*until* may lie after the last event, or leave the later ones out."""
    history = opened(file_of(tmp_path, login(NINE + 5 * MINUTE, "a"), login(NINE + 10 * MINUTE, "b")))

    later = story(history, NINE + 2 * HOUR)
    earlier = story(history, NINE + 7 * MINUTE)

    assert later[2:] == [(60, 0, "tick"), (120, 0, "tick")]
    assert earlier == [(5, 1, "a"), (7, 0, "tick")]


def test_an_event_is_told_when_it_became_known(tmp_path: Path) -> None:
    """observed_at orders the file, occurred_at stays with the event."""
    late = login(NINE, "late") | {"observed_at": NINE + 30 * MINUTE}

    assert story(opened(file_of(tmp_path, late, login(NINE + MINUTE, "a"))))[:2] == [
        (1, 1, "a"),
        (30, 2, "late"),
    ]


def test_a_file_is_a_source_named_by_its_bytes(tmp_path: Path) -> None:
    """So a load that broke off is recognised, whatever the file is called by then."""
    path = file_of(tmp_path, login(NINE))
    digest = sha256(path.read_bytes()).hexdigest()

    history = opened(path)
    _, entry = next(history.entries())

    assert history.sources == (f"file:{digest[:16]}",)
    assert (entry.source, entry.partition, entry.offset) == (f"file:{digest[:16]}", 0, 1)


def test_several_files_are_one_history_and_several_sources(tmp_path: Path) -> None:
    """Each counts its own events."""
    first = file_of(tmp_path, login(NINE, "a"), login(NINE + 2 * MINUTE, "c"), name="first")
    second = file_of(tmp_path, login(NINE + MINUTE, "b"), login(NINE + 2 * MINUTE, "d"), name="second")

    history = opened(first, second)
    events = [entry for account_id, entry in history.entries() if account_id]

    assert [(event_id(e), history.sources.index(e.source), e.offset) for e in events] == [
        ("a", 0, 1),
        ("b", 1, 1),
        ("c", 0, 2),
        ("d", 1, 2),
    ]


def test_accounts_are_known_from_the_start(tmp_path: Path) -> None:
    """An event may come before its account's facts, and before the account has left."""
    lines = [
        login(NINE, "before", account_id=None, email="ann@acme.example"),
        account(NINE + MINUTE, "acme", domains=["acme.example"]),
        {"type": "account", "account_id": "acme", "occurred_at": NINE + 2 * MINUTE, "closed": True},
    ]

    history = opened(file_of(tmp_path, *lines))

    assert history.left_out == {}
    assert [account_id for account_id, _ in history.entries() if account_id] == ["acme"] * 3


def test_the_latest_facts_of_an_account_count(tmp_path: Path) -> None:
    """By time, not by their place in the file."""
    lines = [
        account(NINE + MINUTE, "acme", domains=["new.example"]),
        account(NINE, "acme", domains=["old.example"]),
        login(NINE, account_id=None, email="ann@new.example"),
    ]

    assert opened(file_of(tmp_path, *lines)).left_out == {}


def test_actions_that_are_not_supported_are_left_out_and_counted(tmp_path: Path) -> None:
    """A history with notes is still one; whoever loads it is told what stays behind."""
    note = {
        "type": "action",
        "event_id": "n-1",
        "occurred_at": NINE,
        "source": "console",
        "account_id": "acme",
    }
    note |= {"kind": "NOTE", "author": "mara", "reason": "Called them."}

    history = opened(file_of(tmp_path, note, login(NINE, "a")))

    assert history.left_out == {"unsupported_action": 1}
    assert [event_id(entry) for account_id, entry in history.entries() if account_id] == ["a"]


def test_what_the_directory_knows_already_is_newer_than_a_history(tmp_path: Path) -> None:
    """A file of last year does not take back what the account topic says today."""
    directory = AccountDirectory()
    today = {"occurred_at": NINE, "event_id": "f", "domains": ["today.example"], "external_ids": {}}
    directory.apply("acme", today)
    lines = [
        account(NINE, "acme", domains=["old.example"]),
        login(NINE, account_id=None, email="ann@today.example"),
    ]

    assert opened(file_of(tmp_path, *lines), directory=directory).left_out == {}


def test_events_without_an_account_are_left_out_and_counted(tmp_path: Path) -> None:
    """Their numbers stay free, so that the offsets do not depend on what the directory knows."""
    lines = [login(NINE, "x", account_id=None, email="ann@gmail.com"), login(NINE + MINUTE, "a")]

    history = opened(file_of(tmp_path, *lines))

    assert (history.events, history.left_out) == (2, {"unresolved_account": 1})
    assert story(history) == [(0, 0, "tick"), (1, 2, "a"), (1, 0, "tick")]


def test_a_faulty_file_is_refused_with_all_that_is_wrong_with_it(tmp_path: Path) -> None:
    """Line, fault and hint; what cannot be and what cannot be read alike."""
    path = file_of(tmp_path, login(NINE), "not json", "", login(NINE, user_id=""))

    with pytest.raises(BadHistory) as refused:
        opened(path)

    assert str(refused.value) == (
        "2 lines cannot be used, so none is.\n"
        f"{path}:2: decode: the line is no JSON in UTF-8\n"
        f"{path}:4: range: user_id is empty"
    )
    assert "Correct it at the source" in refused.value.hint


def test_of_many_faults_twenty_are_shown(tmp_path: Path) -> None:
    """And how many there are."""
    with pytest.raises(BadHistory, match="and 10 more") as refused:
        opened(file_of(tmp_path, *["{"] * 30))

    assert (len(refused.value.faults), refused.value.count) == (20, 30)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_events_is_refused(tmp_path: Path, content: str) -> None:
    """It is not what somebody meant to load."""
    path = tmp_path / "history.ndjson"
    path.write_text(content)

    with pytest.raises(BadHistory, match="has no events"):
        opened(path)


@given(st.lists(st.tuples(st.integers(0, 5 * HOUR), st.booleans()), min_size=1, max_size=30))
def test_any_history_is_in_order_and_whole(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, bool]]
) -> None:
    """Time never goes back, offsets of a source rise, every event is there once."""
    halves: list[list[dict[str, Any]]] = [[], []]
    for number, (minute, second_file) in enumerate(events):
        halves[second_file].append(login(NINE + minute, f"e-{number}"))
    folder = tmp_path_factory.mktemp("history")
    paths = [file_of(folder, *lines, name=str(n)) for n, lines in enumerate(halves) if lines]

    entries: list[LogEntry] = [entry for _, entry in opened(*paths).entries()]

    times = [entry.observed_at for entry in entries]
    assert times == sorted(times)
    told = [entry for entry in entries if not isinstance(entry.body, Tick)]
    assert sorted(event_id(entry) for entry in told) == sorted(f"e-{n}" for n in range(len(events)))
    for source in {entry.source for entry in told}:
        offsets = [entry.offset for entry in told if entry.source == source]
        assert offsets == list(range(1, len(offsets) + 1))
    clock = 0
    for entry in entries:
        if isinstance(entry.body, Tick):
            clock = entry.observed_at
        else:
            hour = (entry.observed_at - 1) // HOUR * HOUR
            assert clock == hour or hour < times[0]
