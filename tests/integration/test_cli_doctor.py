"""``telltale doctor``: a line a check, the hint under what is wrong, exit code 1 on FAIL."""

import importlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pipeline.health.events import LogEntry, Tick
from pipeline.kafka.records import Appender, commit, offsets
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry
from tests.integration.command_line import Answer, Telltale
from tests.integration.running_pipeline import Outsider, RunningPipeline, running


@pytest.fixture
def telltale(broker: str, postgres: str) -> Telltale:
    """Everything set up, and nothing running."""
    telltale = Telltale(brokers=broker, database_url=postgres)
    telltale("topics", "apply")
    telltale("db", "upgrade")
    telltale("scorecards", "apply")
    return telltale


def tick(telltale: Telltale, seconds_ago: float, partitions: Iterable[int] = range(4)) -> None:
    """A tick in *partitions* of the log."""
    at = int((time.time() - seconds_ago) * 1000)
    value = LogCodec(telltale.contract, EmbeddedRegistry(telltale.contract)).encode(
        LogEntry(at, "", 0, 0, Tick())
    )
    with Appender(telltale.client) as appender:
        for partition in partitions:
            appender.append(telltale.contract.log.name, b"", value, partition=partition)


def read_all(telltale: Telltale, group: str, *topics: str) -> None:
    """A group that has committed everything."""
    ends = {place: end for place, (_, end) in offsets(telltale.client, topics).items()}
    commit(telltale.client, group, ends)


def state(answer: Answer, check: str) -> str:
    """The worst state of a check's lines."""
    states = [line.split()[0] for line in answer.out.splitlines() if line[:17].split()[1:] == [check]]
    return max(states, key=["ok", "warn", "FAIL"].index)


@pytest.mark.timeout(120)
def test_where_all_is_well_every_line_says_ok(
    broker: str, postgres: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """Exit code 0 and nothing to do, with one event read, scored and stored, and then quiet."""
    telltale = Telltale(brokers=broker, database_url=postgres)
    pipeline = RunningPipeline(broker, postgres, tmp_path / "log")

    with running(pipeline):
        eventually(lambda: pipeline.rows("SELECT version_num FROM alembic_version"), 60)
        Outsider(broker).send("customer.account.v1", None, key="acc-1")
        eventually(lambda: telltale("doctor", "--watch", "1").code == 0, 60)
        answer = telltale("doctor", TELLTALE_TICK_SECONDS="0.5")

    assert answer.code == 0, answer.out
    assert {line.split()[0] for line in answer.out.splitlines()} == {"ok"}, answer.out
    assert "all 17 are as declared" in answer.out
    assert re.search(r"the log's last tick is \d+ s old", answer.out)
    assert "telltale-sink-postgres: alive" in answer.out


def test_the_same_as_json(telltale: Telltale) -> None:
    """For monitoring that reads commands."""
    rows = telltale("doctor", "--json", "--watch", "1", TELLTALE_TICK_SECONDS="1").rows

    assert {"check": "dlq", "state": "ok", "says": "dead letters: 0", "hint": ""} in rows


def test_without_a_broker_what_needs_one_is_not_checked(postgres: str) -> None:
    """One FAIL with its hint, not one for each check that would have asked the broker."""
    answer = Telltale(brokers="127.0.0.1:1", database_url=postgres)("doctor")

    assert answer.code == 1
    assert state(answer, "broker") == "FAIL"
    assert "Start it, or correct TELLTALE_BROKERS" in answer.out
    assert "warn  topics      not checked, for want of broker" in answer.out
    assert "warn  clock       not checked, for want of topics" in answer.out
    assert state(answer, "schemas") == "ok"


def test_nothing_configured_is_named_setting_by_setting() -> None:
    """The first look of somebody who has just installed it."""
    answer = Telltale(brokers="")("doctor")

    assert answer.code == 1
    assert "FAIL  broker      TELLTALE_BROKERS is not set" in answer.out
    assert "FAIL  database    TELLTALE_DATABASE_URL is not set" in answer.out


def test_what_was_never_applied_is_named_with_its_command(broker: str, postgres: str) -> None:
    """Topics and tables."""
    answer = Telltale(brokers=broker, database_url=postgres)("doctor")

    assert answer.code == 1
    assert "17 of 17 are missing" in answer.out
    assert "Run `telltale topics apply`." in answer.out
    assert "Run `telltale db upgrade`." in answer.out


def test_a_clock_that_stands_fails(telltale: Telltale) -> None:
    """No tick for five minutes: silence is noticed nowhere."""
    tick(telltale, seconds_ago=300)

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert answer.code == 1
    assert state(answer, "clock") == "FAIL"
    assert re.search(r", for 3\d\d s", answer.out)


def test_a_log_from_the_future_fails(telltale: Telltale) -> None:
    """The intake's machine and this one disagree."""
    tick(telltale, seconds_ago=-60)

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert state(answer, "clock") == "FAIL"
    assert "s ahead of this machine" in answer.out


def test_a_reader_that_never_came_fails(telltale: Telltale) -> None:
    """What waits is not read while a doctor looks on."""
    tick(telltale, seconds_ago=1)

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert answer.code == 1
    assert "FAIL  groups      telltale-health stands still" in answer.out
    assert "8 records unread" in answer.out
    assert "Look whether `telltale worker health` runs" in answer.out


def test_a_dead_reader_that_has_read_all_is_not_called_well(telltale: Telltale) -> None:
    """The embedded broker names no members: with nothing to read, the doctor says that it cannot tell."""
    tick(telltale, seconds_ago=1)
    read_all(telltale, "telltale-health", telltale.contract.log.name)

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert "warn  groups      telltale-health: whether it runs cannot be told here" in answer.out


def test_records_that_retention_took_before_they_were_read_fail(telltale: Telltale) -> None:
    """
    The embedded broker keeps 5 MB of a partition: the group had read the first record, and nothing since.
    """
    topic = "customer.login.v1"
    commit(telltale.client, "telltale-intake", {(topic, 0): 1})
    with Appender(telltale.client) as appender:
        for _ in range(12):
            appender.append(topic, b"k", bytes(900_000), partition=0)
            appender.flush()
    first = offsets(telltale.client, [topic])[topic, 0][0]

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert first > 1
    assert f"telltale-intake: {first - 1} records were deleted before it had read them" in answer.out


def test_a_partition_of_the_log_whose_time_stands_fails(telltale: Telltale) -> None:
    """Three have a tick of now, one has an old one."""
    tick(telltale, seconds_ago=300)
    tick(telltale, seconds_ago=1, partitions=range(3))

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert re.search(r"FAIL  clock       the time of log partition 3 stands .*, for 3\d\d s", answer.out)


def test_a_server_that_is_too_old_fails(telltale: Telltale, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink waits for ever at it."""
    # By attributes the name finds the function that the package imports.
    module = importlib.import_module("pipeline.ops.checks.check_database")
    monkeypatch.setattr(module, "OLDEST_SERVER", 99)

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert state(answer, "database") == "FAIL"
    assert "is too old: the sink needs 99 or newer" in answer.out


def test_a_sink_that_stores_elsewhere_fails(telltale: Telltale) -> None:
    """It has committed to Kafka what is not in this database."""
    topic = telltale.contract.outputs[0].name
    with Appender(telltale.client) as appender:
        appender.append(topic, b"k", b"v", partition=0)
    read_all(telltale, "telltale-sink-postgres", topic)

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert "FAIL  stored      1 records the sink has stored are not in this database" in answer.out


def test_scorecards_that_are_not_active_are_a_warning(telltale: Telltale, tmp_path: Path) -> None:
    """Files that were edited and not applied score nothing."""
    shipped = Path(sys.modules["pipeline"].__file__ or "").parent / "scorecards" / "mid.toml"
    (tmp_path / "mid.toml").write_text(shipped.read_text().replace('version = "1"', 'version = "1-ours"'))

    answer = telltale("doctor", "--watch", "1", TELLTALE_SCORECARDS=str(tmp_path), TELLTALE_TICK_SECONDS="1")

    assert state(answer, "scorecards") == "warn"
    assert "mid 1-ours" in answer.out
    telltale("scorecards", "apply", TELLTALE_SCORECARDS=str(tmp_path), TELLTALE_TICK_SECONDS="1")
    assert (
        state(
            telltale("doctor", "--watch", "1", TELLTALE_SCORECARDS=str(tmp_path), TELLTALE_TICK_SECONDS="1"),
            "scorecards",
        )
        == "ok"
    )


def test_dead_letters_are_a_warning(telltale: Telltale) -> None:
    """Somebody should look at them."""
    with Appender(telltale.client) as appender:
        appender.append("customer.login.v1.dlq", b"k", b"v")

    answer = telltale("doctor", "--watch", "1", TELLTALE_TICK_SECONDS="1")

    assert state(answer, "dlq") == "warn"
    assert "dead letters: 1" in answer.out


def test_somebody_elses_agents_package_is_found(tmp_path: Path) -> None:
    """openai-agents installs a package of the same name, and the workers would import that."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").touch()

    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline.cli", "doctor"],
        capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert f"FAIL  packages    the package agents is somebody else's, of {tmp_path}" in done.stdout
