"""A history is read by whoever can undo it without a check before, and in shares by several processes."""

import json
import pickle
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from pipeline.wire.history import BadHistory, open_history
from pipeline.wire.history_share import FaultyLine, ShareReader
from tests.unit.wire.history_builders import (
    HOUR,
    MINUTE,
    NINE,
    PEOPLE,
    account,
    event_id,
    file_of,
    login,
    opened,
)
from tests.unit.wire.wire_builders import CONTRACT


def test_an_unchecked_history_meets_its_faults_on_the_way(tmp_path: Path) -> None:
    """Also after *until*; a check then names them as it would have done before."""
    path = file_of(tmp_path, login(NINE, "a"), login(NINE + MINUTE, user_id=""))
    history = open_history([path], contract=CONTRACT, pseudonyms=PEOPLE, checked=False)

    with pytest.raises(FaultyLine):
        list(history.entries(NINE))
    with pytest.raises(BadHistory, match=f"{path}:2: range: user_id is empty"):
        history.check()


def test_a_line_without_a_time_is_refused_unchecked(tmp_path: Path) -> None:
    """It has no place in the order; all faults are named at once."""
    path = file_of(tmp_path, "not json", login(NINE, user_id=""))
    history = open_history([path], contract=CONTRACT, pseudonyms=PEOPLE, checked=False)

    with pytest.raises(BadHistory, match="2 lines cannot be used"):
        history.shares(1)


@pytest.mark.parametrize("name", ["observed_at", "occurred_at"])
def test_a_time_in_microseconds_is_refused_unchecked(tmp_path: Path, name: str) -> None:
    """The shares that do not have the line would tick up to it first."""
    line = login(NINE, "b", account_id="beta") | {name: NINE * 1000}
    path = file_of(tmp_path, login(NINE, "a"), line)
    history = open_history([path], contract=CONTRACT, pseudonyms=PEOPLE, checked=False)

    with pytest.raises(BadHistory, match=f"{path}:2: range: {name} is {NINE}000, which is no time"):
        history.shares(2)


def test_shares_make_the_entries_of_the_whole(tmp_path: Path) -> None:
    """Each account with its offsets in one of them, all ticks in all of them; any process can read one."""
    domain: dict[str, Any] = {"account_id": None, "email": "ann@a-3.example"}
    lone: dict[str, Any] = {"account_id": None, "email": "ann@gmail.com"}
    lines = [account(NINE, f"a-{number}", domains=[f"a-{number}.example"]) for number in range(7)]
    lines += [
        login(NINE + number * 7 * MINUTE, str(number), account_id=f"a-{number % 7}") for number in range(90)
    ]
    lines += [login(NINE + number * MINUTE, f"d-{number}", **domain) for number in range(9)]
    history = opened(file_of(tmp_path, *lines, login(NINE, **lone)))

    shares = pickle.loads(pickle.dumps(history.shares(3)))
    readers = [ShareReader(share, contract=CONTRACT, pseudonyms=PEOPLE) for share in shares]
    found = [list(reader.entries()) for reader in readers]

    whole = list(history.entries())
    owners = [{account_id for account_id, _ in entries if account_id} for entries in found]
    assert sum(map(len, owners)) == 7
    for accounts, entries in zip(owners, found, strict=True):
        assert entries == [entry for entry in whole if entry[0] in {"", *accounts}]
    assert min(reader.events for reader in readers) > 20
    assert sum((reader.left_out for reader in readers), Counter()) == {"unresolved_account": 1}


def test_there_may_be_more_shares_than_accounts(tmp_path: Path) -> None:
    """Then some have only the passing of time."""
    first, second = opened(file_of(tmp_path, login(NINE), login(NINE + HOUR))).shares(2)

    readers = [ShareReader(share, contract=CONTRACT, pseudonyms=PEOPLE) for share in (first, second)]
    found = [[entry.observed_at for _, entry in reader.entries()] for reader in readers]
    assert (len(found[0]), found[1]) == (4, [NINE, NINE + HOUR])
    assert [reader.events for reader in readers] == [2, 0]


def test_a_line_that_a_glance_cannot_place_is_read(tmp_path: Path) -> None:
    """
    Here a name stands twice and the first time with something else; the line keeps its time and its account.
    """
    twice = json.dumps(login(NINE + MINUTE, "b"))[:-1] + ', "account_id": "acme"}'
    path = file_of(tmp_path, login(NINE, "a"), twice.replace('"acme"', "17", 1), login(NINE, "c"))

    entries = list(opened(path).entries())

    assert [(account_id, entry.offset) for account_id, entry in entries if account_id] == [
        ("acme", 1), ("acme", 2), ("acme", 3),
    ]  # fmt: skip
    assert [event_id(entry) for account_id, entry in entries if account_id] == ["a", "c", "b"]


def test_a_share_of_one_account_makes_what_the_whole_makes_of_it(tmp_path: Path) -> None:
    """The same entries in the same order; ticks only where it needs them."""
    lines = [account(NINE, f"a-{number}") for number in range(5)]
    lines += [
        login(NINE + number * 7 * MINUTE, str(number), account_id=f"a-{number % 5}") for number in range(90)
    ]
    [share] = opened(file_of(tmp_path, *lines)).shares(1)

    readers = [ShareReader(part, contract=CONTRACT, pseudonyms=PEOPLE) for part in share.by_account()]
    found = [list(reader.entries()) for reader in readers]

    whole = list(ShareReader(share, contract=CONTRACT, pseudonyms=PEOPLE).entries())
    accounts = [{account_id for account_id, _ in entries if account_id} for entries in found]
    assert sorted(chain.from_iterable(accounts)) == [f"a-{number}" for number in range(5)]
    for names, entries in zip(accounts, found, strict=True):
        assert [e for e in entries if e[0]] == [e for e in whole if e[0] in names]
        assert len(entries) < 3 * len([e for e in entries if e[0]])
    assert sum(reader.events for reader in readers) == 95
