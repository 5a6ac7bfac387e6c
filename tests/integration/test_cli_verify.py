"""`telltale verify` on what a worker and the sink have written: equal as it is, and each tampering named."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.scorecards import load_scorecards
from pipeline.wire.avro import Encoder
from pipeline.wire.outputs import OutputDecoder
from pipeline.wire.position import POSITION_SIZE
from pipeline.wire.state import decode_account, encode_account
from tests.integration.command_line import Answer, Telltale
from tests.integration.daily_logins import ACCOUNTS, DAY, START, days
from tests.integration.postgres_sink_running import read, sink_thread
from tests.integration.worker_log import (
    CONTRACT,
    PARTITIONS,
    REGISTRY,
    AccountLog,
    key_and_value,
    partition_of,
)

OUTPUTS = [topic.name for topic in CONTRACT.outputs]
CHANGELOG = "telltale-health-state-changelog"
DAYS = 20
SCRIPT = Path(__file__).with_name("killed_worker.py")


def history() -> list[tuple[str, LogEntry]]:
    """Weeks of logins, then a tick long after: every account goes dark in it, which opens an alert."""
    scorecards = LogEntry(START, "", 0, 0, Scorecards(list(load_scorecards().documents)))
    return [("", scorecards), *days(0, DAYS), ("", LogEntry(START + (DAYS + 20) * DAY, "", 0, 0, Tick()))]


@dataclass
class Written:
    """
    A pipeline that has folded the history and stored it, and is stopped.

    What `verify` said *meanwhile*, when all was stored (*afterwards*), and when the log had gone on
    (*behind*).
    """

    log: AccountLog
    telltale: Telltale
    meanwhile: list[Answer]
    afterwards: Answer
    behind: Answer

    def change_row(self, statement: str) -> None:
        with psycopg.connect(self.telltale.database_url.replace("+psycopg", "")) as connection:
            assert connection.execute(statement).rowcount == 1

    def latest(self, topic: str, account_id: str) -> bytes:
        """The newest record of an account."""
        return [key_and_value(r)[1] for r in self.log.read(topic) if r.key == account_id.encode()][-1]

    def append(self, topic: str, account_id: str, value: bytes) -> None:
        self.log.send(topic, value, account_id.encode(), partition_of(account_id))
        self.log.flush()

    def differences(self, account_id: str) -> list[dict[str, Any]]:
        """What `verify` finds of an account; it must call it an error."""
        answer = self.telltale("verify", account_id, "--json")
        assert answer.code == 1
        assert {row["account_id"] for row in answer.rows} == {account_id}
        return answer.rows


@pytest.fixture(scope="module")
def written(postgres_server: EmbeddedPostgres, eventually: Callable[..., None]) -> Iterator[Written]:
    """One for the module: each test tampers with an account of its own."""
    name = f"verify_{uuid4().hex}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    with EmbeddedBroker() as broker:
        log = AccountLog(broker.bootstrap)
        dsn = postgres_server.dsn.removesuffix("telltale") + name
        telltale, meanwhile = Telltale(brokers=broker.bootstrap, database_url=dsn), []
        assert telltale("db", "upgrade").code == 0
        log.append(history())

        def is_stored() -> bool:
            meanwhile.append(telltale("verify"))
            is_folded = log.all_committed("telltale-health", [CONTRACT.log.name])
            return is_folded and read(dsn) == sum(len(log.read(topic)) for topic in OUTPUTS)

        worker = subprocess.Popen([sys.executable, SCRIPT, "health", broker.bootstrap, "", "0"])
        try:
            eventually(lambda: log.read(CONTRACT.current.name), 60)
            meanwhile.append(telltale("verify"))
            with sink_thread(broker.bootstrap, dsn):
                eventually(is_stored, 60)
        finally:
            worker.kill()
            worker.wait()
        afterwards = telltale("verify")
        log.append(days(DAYS + 20, DAYS + 21))
        yield Written(log, telltale, meanwhile, afterwards, telltale("verify"))


def test_what_was_written_is_what_follows_from_the_log(written: Written) -> None:
    """Every state, change, alert and row, and of each account the latest snapshot."""
    answer = written.afterwards

    assert (answer.out, answer.code) == ("", 0)
    changes, alerts = len(written.log.read(CONTRACT.change.name)), len(written.log.read(CONTRACT.alert.name))
    assert alerts >= ACCOUNTS
    rows = changes + alerts + 3 * ACCOUNTS  # with an account, a snapshot and an alert of each
    assert answer.err == (
        f"{ACCOUNTS} accounts computed again; as they should be: {ACCOUNTS} states, {ACCOUNTS} snapshots, "
        f"{changes} changes, {alerts} alert events, {rows} rows\n0 fields differ, of 0 accounts\n"
    )


def test_a_pipeline_that_runs_is_right_as_far_as_it_has_come(written: Written) -> None:
    """
    Asked again and again from the first snapshot until all was stored: what is missing meanwhile is no
    difference.
    """
    assert written.meanwhile
    for answer in written.meanwhile:
        assert (answer.code, answer.err.splitlines()[1]) == (0, "0 fields differ, of 0 accounts")


def test_what_the_state_has_not_taken_in_is_lag(written: Written) -> None:
    """A day of the log, and what follows from it."""
    entries = ACCOUNTS + PARTITIONS

    assert (written.behind.out, written.behind.code) == ("", 0)
    assert f"\nnot written yet: {entries} entries of the log not in the state, " in written.behind.err


def test_without_a_database_the_rows_are_left_out(written: Written) -> None:
    """For a pipeline that has none."""
    answer = written.telltale("verify", "--no-database", TELLTALE_DATABASE_URL="")

    assert (answer.out, answer.code) == ("", 0)
    assert "rows" not in answer.err


def test_a_sample_is_picked_again_by_its_seed(written: Written) -> None:
    """So that what was found in one can be looked at again."""
    answer, again = (written.telltale("verify", "--accounts", "3", "--seed", "7") for _ in range(2))

    assert answer.err.startswith("3 accounts, --seed 7\n3 accounts computed again; ")
    assert again == answer
    assert written.telltale("verify", "--accounts", "99").err.startswith(f"{ACCOUNTS} accounts, --seed ")


@pytest.mark.parametrize(
    ("account_id", "statement", "where", "field"),
    [
        (
            "acc-1",
            "UPDATE health_change SET score_after = 1 WHERE account_id = 'acc-1' AND version = 2",
            "table health_change",
            "score_after",
        ),
        (
            "acc-2",
            "DELETE FROM health_change WHERE account_id = 'acc-2' AND version = 2",
            "table health_change",
            "row",
        ),
        ("acc-3", "UPDATE account SET closed = true WHERE account_id = 'acc-3'", "table account", "closed"),
        (
            "acc-4",
            "UPDATE health_snapshot SET components = jsonb_set(components, '{0,reason}', '\"made up\"') WHERE account_id = 'acc-4'",
            "table health_snapshot",
            "components[0].reason",
        ),
        ("acc-5", "UPDATE alert SET play = 'wait' WHERE account_id = 'acc-5'", "table alert", "play"),
        (
            "acc-6",
            "DELETE FROM alert_event WHERE account_id = 'acc-6' AND sequence = 1",
            "table alert_event",
            "row",
        ),
        (
            "acc-7",
            "UPDATE alert_event SET severity = 'INFO' WHERE account_id = 'acc-7' AND sequence = 1",
            "table alert_event",
            "severity",
        ),
    ],
)
def test_a_row_that_was_changed_is_named(
    written: Written, account_id: str, statement: str, where: str, field: str
) -> None:
    """With the account, the column, and the log entry that made what should stand there."""
    written.change_row(statement)

    [difference] = written.differences(account_id)

    assert (difference["where"], difference["field"]) == (where, field)
    assert difference["made_by"]["kind"] in {"event", "tick"}


def test_a_snapshot_that_follows_from_nothing_is_named_with_its_place(written: Written) -> None:
    """Somebody else has written into the compacted topic; the sink keeps the first of a version."""
    topic = CONTRACT.current
    value = OutputDecoder(CONTRACT, REGISTRY).decode(topic.name, written.latest(topic.name, "acc-8"))
    score = value["score"]
    written.append(topic.name, "acc-8", Encoder(topic, CONTRACT, REGISTRY).encode(value | {"score": 99.5}))

    [difference] = written.differences("acc-8")

    offset = max(r.offset for r in written.log.read(topic.name) if r.key == b"acc-8")
    assert difference["where"] == f"{topic.name}[{partition_of('acc-8')}]@{offset}"
    assert (difference["field"], difference["written"], difference["recomputed"]) == (
        "score",
        99.5,
        score,
    )
    assert difference["version"] == value["version"]
    assert difference["made_by"]["kind"] == "tick"
    line = written.telltale("verify", "acc-8").out
    assert "score: written 99.5, recomputed" in line
    assert "; made by the tick at log offset " in line


def test_a_change_of_a_version_that_never_was_is_named(written: Written) -> None:
    """As a second writer of a partition would leave it."""
    topic = CONTRACT.change
    value = OutputDecoder(CONTRACT, REGISTRY).decode(topic.name, written.latest(topic.name, "acc-9"))
    value = value | {"version": value["version"] + 10}
    written.append(topic.name, "acc-9", Encoder(topic, CONTRACT, REGISTRY).encode(value))

    [difference] = written.differences("acc-9")

    assert difference["field"] == "record"
    assert difference["recomputed"] == "none: it does not follow from the log"


def test_a_state_that_was_changed_is_named_by_its_field(written: Written) -> None:
    """Under the same position, so that recovery would take it; the last entry of the account is named."""
    latest = written.latest(CHANGELOG, "acc-10")
    state = decode_account(latest)
    state.first_login_day += 1
    written.append(CHANGELOG, "acc-10", encode_account(latest[:POSITION_SIZE], state))

    [difference] = written.differences("acc-10")

    assert (difference["where"], difference["field"]) == ("state", "first_login_day")
    assert difference["written"] == state.first_login_day
    assert difference["recomputed"] == state.first_login_day - 1


def test_rows_of_an_account_that_no_partition_knows_are_named(written: Written) -> None:
    """As of another installation that wrote into the same database."""
    copied = "SELECT 'stranger', epoch, version + 1000"
    columns = "account_id, epoch, version, kind, band_before, band_after, coverage_before, coverage_after, points, causes"
    more = "causes_count, scorecard_name, scorecard_version, fold_version, as_of"
    values = f"{copied}, {columns.partition('version, ')[2]}, {more}"
    written.change_row(
        f"INSERT INTO health_change ({columns}, {more}) {values} FROM health_change "
        "WHERE account_id = 'acc-11' AND version = 1"
    )

    rows = written.telltale("verify", "--json").rows

    written.change_row("DELETE FROM health_change WHERE account_id = 'stranger'")
    [difference] = [row for row in rows if row["account_id"] == "stranger"]
    assert (difference["where"], difference["version"]) == ("table health_change", 1001)
    assert difference["recomputed"] == "none: it does not follow from the log"


def test_an_account_without_a_state_is_refused(written: Written) -> None:
    """A typing error must not look like a clean account."""
    answer = written.telltale("verify", "acc-999")

    assert answer.code == 1
    assert answer.err == "error: no state of acc-999\nhint: `telltale accounts` lists the ids.\n"


def test_json_is_one_object_a_field(written: Written) -> None:
    """Also where everything is looked at: the accounts tampered with above, and no others."""
    lines = written.telltale("verify", "--json").out.splitlines()
    tampered = {json.loads(line)["account_id"] for line in lines}

    assert tampered <= {f"acc-{number}" for number in range(1, 11)}
