"""
``telltale replay`` of files: the rows, whatever the number of processes, and nothing where something is
wrong.
"""

import csv
import json
from pathlib import Path

import pytest

from tests.integration.command_line import Answer, Telltale

HISTORY = Path(__file__).parents[1] / "golden" / "scenarios" / "edges.ndjson"
telltale = Telltale(brokers="")


def replay(folder: Path, *words: object) -> tuple[Answer, bytes, bytes]:
    """What was said, the scores, and the alerts."""
    scores, alerts = folder / "scores.csv", folder / "alerts.csv"
    answer = telltale("replay", *map(str, words), "--scores", str(scores), "--alerts", str(alerts))
    return answer, scores.read_bytes(), alerts.read_bytes()


def rows(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(file.decode().splitlines()))


@pytest.mark.parametrize("words", [(), ("--until", "2026-04-12"), ("--until", "2026-12-31T12:00:00Z")])
def test_the_number_of_processes_shows_in_no_byte(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Accounts are shared out, events without an account id go with the account they are found to be of."""
    alone = replay(tmp_path, HISTORY, *words, "--processes", 1)
    shared = replay(tmp_path, HISTORY, *words, "--processes", 3)

    assert alone[0].err.startswith("337 events, ")
    assert alone[0].err.endswith(
        " alerts, 1 left out (ambiguous_account), 2 left out (unresolved_account), 4 left out (unsupported_action)\n"
    )
    assert shared == alone


def test_rows_are_in_the_order_of_time(tmp_path: Path) -> None:
    """Then of accounts and versions, or of alerts."""
    _, scores, alerts = replay(tmp_path, HISTORY)

    places = [(row["as_of"], row["account_id"], int(row["version"])) for row in rows(scores)]
    assert len(places) > 100
    assert places == sorted(places)
    openings = [(row["opened_at"], row["alert_id"]) for row in rows(alerts)]
    assert len(openings) > 3
    assert openings == sorted(openings)


@pytest.mark.parametrize("processes", [1, 2])
def test_of_a_file_with_faults_all_are_told_and_no_row_is_written(tmp_path: Path, processes: int) -> None:
    """Faults in the order of the file, also beyond *until*; the rows of an earlier replay stay."""
    login = {"type": "login", "occurred_at": "2026-03-02T09:00:00Z", "account_id": "acme", "user_id": "u"}
    lines = [
        login | {"event_id": "1", "source": "app"},
        login | {"event_id": "2", "source": "", "occurred_at": "2026-03-04T09:00:00Z"},
        login | {"event_id": "3", "account_id": "beta"},
    ]
    file, scores = tmp_path / "history", tmp_path / "scores.csv"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores.write_text("earlier")

    answer = telltale(
        *("replay", str(file), "--processes", str(processes)),
        *("--scores", str(scores), "--until", "2026-03-03"),
    )

    assert answer.code == 1
    assert answer.err.startswith(
        "error: 2 lines cannot be used, so none is.\n"
        f"{file}:2: range: source is empty\n{file}:3: missing_field: source is missing\nhint: "
    )
    assert scores.read_text() == "earlier"


def test_where_nothing_can_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    """A million events would be folded for nothing."""
    answer = telltale("replay", str(HISTORY), "--scores", str(tmp_path / "away" / "scores.csv"))

    assert answer.code == 2
    assert f"there is no folder {tmp_path / 'away'}" in answer.err


def test_a_file_that_is_read_is_not_written(tmp_path: Path) -> None:
    """However it is named."""
    file = tmp_path / "history.ndjson"
    file.write_bytes(HISTORY.read_bytes())
    (tmp_path / "same").symlink_to(file)

    answer = telltale("replay", str(file), "--alerts", str(tmp_path / "same"))

    assert answer.code == 2
    assert "is one of the files to read" in answer.err
    assert file.read_bytes() == HISTORY.read_bytes()
