"""A history is read by whoever can undo it without a check before, and in shares by several processes."""

import pickle
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from history_builders import HOUR, MINUTE, NINE, PEOPLE, account, file_of, login, opened
from wire_builders import CONTRACT

from pipeline.wire.history import BadHistory, open_history
from pipeline.wire.history_share import FaultyLine, OutOfOrder, ShareReader


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


def test_shares_make_the_entries_of_the_whole(tmp_path: Path) -> None:
    """Each account with its offsets in one of them, all ticks in all of them; any process can read one."""
    domain, lone = (
        {"account_id": None, "email": "ann@a-3.example"},
        {"account_id": None, "email": "ann@gmail.com"},
    )
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


def in_order(tmp_path: Path, *more: object) -> Path:
    """A file in order, of seven accounts; some lines name theirs only by an address or in an unusual way."""
    lines = [account(NINE, f"a-{number}", domains=[f"a-{number}.example"]) for number in range(7)]
    for number in range(90):
        whose = {"account_id": f"a-{number % 7}"}
        if number % 9 == 0:
            whose = {"account_id": None, "email": f"ann@a-{number % 7}.example"}
        elif number % 9 == 1:
            whose["feature"] = 'a "quoted" word'
        lines.append(login(NINE + number * 7 * MINUTE, str(number), **whose))
    return file_of(tmp_path, *lines, *more)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_file_in_order_can_be_read_as_it_stands(tmp_path: Path, count: int) -> None:
    """The shares make the entries that they make once the lines were looked through and put in order."""
    history = opened(in_order(tmp_path))

    shares = pickle.loads(pickle.dumps(history.standing_shares(count)))
    readers = [ShareReader(share, contract=CONTRACT, pseudonyms=PEOPLE) for share in shares]
    found = [list(reader.entries()) for reader in readers]

    whole = list(history.entries())
    owners = [{account_id for account_id, _ in entries if account_id} for entries in found]
    assert sum(map(len, owners)) == 7
    for accounts, entries in zip(owners, found, strict=True):
        assert entries == [entry for entry in whole if entry[0] in {"", *accounts}]
    assert min(reader.events for reader in readers) > 10
    assert sum(reader.events for reader in readers) == 97


@pytest.mark.parametrize("at", [NINE - MINUTE, NINE + 5 * MINUTE])
def test_a_file_out_of_order_cannot_be_read_as_it_stands(tmp_path: Path, at: int) -> None:
    """Also when the line that is out of order is the last, which ought to tell the latest time."""
    history = opened(in_order(tmp_path, login(at, "late", account_id="a-1")))

    shares = history.standing_shares(2)
    readers = [ShareReader(share, contract=CONTRACT, pseudonyms=PEOPLE) for share in shares]

    with pytest.raises(OutOfOrder):
        list(chain.from_iterable(reader.entries() for reader in readers))


def test_several_files_are_not_read_as_they_stand(tmp_path: Path) -> None:
    """Each may be in order, their lines take turns."""
    paths = [file_of(tmp_path, login(NINE), name=name) for name in ("a", "b")]

    assert open_history(paths, contract=CONTRACT, pseudonyms=PEOPLE).standing_shares(2) == []
