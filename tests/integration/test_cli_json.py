"""
``--json`` of the commands that do something: rows that say what was done.

That every command has the option is held by ``tests/unit/cli/test_every_command.py``.
"""

import json
from pathlib import Path

import pytest

from sinks.postgres import migrations
from tests.integration.command_line import Telltale

EVENTS = Path(__file__).parents[1] / "golden" / "scenarios" / "edges.ndjson"
LOGIN = {
    "type": "login", "event_id": "l1", "occurred_at": "2026-11-01T12:00:00Z", "source": "app",
    "account_id": "acme", "user_id": "u1",
}  # fmt: skip


@pytest.fixture
def telltale(broker: str) -> Telltale:
    """With topics."""
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


def test_topics_are_rows_with_what_was_done_and_how_they_differ(broker: str) -> None:
    """The error and its hint stay on stderr."""
    answer = Telltale(brokers=broker)("topics", "apply", "--json", TELLTALE_PARTITIONS="12")

    found = {row["topic"]: row for row in answer.rows}
    assert answer.code == 1
    assert len(found) == 17
    assert found["health.account-log.v1"] == {
        "topic": "health.account-log.v1",
        "state": "created",
        "differences": ["4 partitions, not 12"],
    }
    assert found["customer.login.v1"]["differences"] == []


def test_an_upgrade_of_the_database_says_from_where_to_where(postgres: str) -> None:
    """Null before the first."""
    telltale = Telltale(brokers="", database_url=postgres)

    first, second = (telltale("db", "upgrade", "--json").rows for _ in range(2))

    head = migrations.head()
    assert (first, second) == ([{"before": None, "after": head}], [{"before": head, "after": head}])


def test_scorecards_say_whom_they_serve_and_where_they_were_written(telltale: Telltale) -> None:
    """Nowhere where they are active already."""
    checked = {row["scorecard"]: row for row in telltale("scorecards", "check", "--json").rows}
    first, second = (telltale("scorecards", "apply", "--json").rows for _ in range(2))

    assert checked["mid"] == {
        "scorecard": "mid",
        "version": "1",
        "segments": ["MID", "UNKNOWN"],
        "onboarding_days": None,
    }
    assert checked["onboarding"]["onboarding_days"] > 0
    assert [row["scorecard"] for row in first] == list(checked)
    assert all(sorted(row["written_to"]) == [0, 1, 2, 3] for row in first)
    assert all(row["written_to"] == [] for row in second)


def test_a_history_and_its_rebuild_are_counted(telltale: Telltale) -> None:
    """What was left out by its code, and the accounts of each partition."""
    (loaded,) = telltale("ingest", "--history", str(EVENTS), "--json").rows
    rebuilt = telltale("rebuild", "--json", TELLTALE_SESSION_SECONDS="6").rows

    assert loaded["events"] == 330
    assert loaded["left_out"] == {
        "ambiguous_account": 1, "unresolved_account": 2, "unsupported_action": 4,
    }  # fmt: skip
    assert loaded["first"].endswith("Z")
    assert loaded["first"] < loaded["last"]
    assert loaded["seconds"] > 0
    assert sorted((row["partition"], row["epoch"]) for row in rebuilt) == [(n, 2) for n in range(4)]
    assert all(
        row.keys() == {"partition", "epoch", "entries", "accounts", "versions", "alerts"} for row in rebuilt
    )
    assert sum(row["accounts"] for row in rebuilt) > 0


def test_live_events_are_counted_also_where_lines_are_left_out(telltale: Telltale, tmp_path: Path) -> None:
    """The lines are named on stderr."""
    file = tmp_path / "events"
    file.write_text(f"{json.dumps(LOGIN)}\n{json.dumps({'type': 'visit'})}\n")

    answer = telltale("ingest", str(file), "--json")

    (row,) = answer.rows
    assert answer.code == 1
    assert (row["events"], row["left_out"]) == (1, {"schema_mismatch": 1})
    assert f"{file}:2: schema_mismatch: " in answer.err


def test_a_replay_is_counted(tmp_path: Path) -> None:
    """The rows themselves are in the files that were asked for."""
    scores = tmp_path / "scores.csv"

    answer = Telltale(brokers="")("replay", str(EVENTS), "--scores", str(scores), "--json")

    (row,) = answer.rows
    assert (row["events"], row["versions"]) == (337, len(scores.read_text().splitlines()) - 1)
    assert row["left_out"]["unsupported_action"] == 4
    assert row["alerts"] > 3
    assert answer.err == ""
