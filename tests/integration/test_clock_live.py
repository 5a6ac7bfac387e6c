"""
`telltale worker intake` and `worker health` as they are started in production, and time that passes between
them.
"""

import json
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.health.events import LogEntry, Login, Scorecards, Tick
from pipeline.scorecards import load_scorecards
from pipeline.wire.avro import Decoder
from tests.integration.command_line import Telltale
from tests.integration.running_pipeline import RunningPipeline, now_ms
from tests.integration.worker_log import CONTRACT, REGISTRY, AccountLog, Undisturbed, partition_of

ACCOUNT, DAY = "acc-dark", 86_400_000
TICK_SECONDS = 0.5
"""As RunningPipeline sets it."""


def rhythm(last_login_at: int) -> list[tuple[str, LogEntry]]:
    """An account that logs in every day, until *last_login_at*, and the clock up to then."""
    log = [("", LogEntry(last_login_at - 30 * DAY, "", 0, 0, Scorecards(list(load_scorecards().documents))))]
    for number in range(30):
        at = last_login_at - (29 - number) * DAY
        login = Login(f"login-{number}", at, b"somebody", "USER", "WEB")
        log += [(ACCOUNT, LogEntry(at, "history", 0, number, login)), ("", LogEntry(at, "", 0, 0, Tick()))]
    return log


def dark_at(last_login_at: int) -> int:
    """When an account with that rhythm goes dark."""
    return Undisturbed(0, rhythm(last_login_at)).fold.states[ACCOUNT].dark_at


def due_then(log: AccountLog, due: int) -> list[tuple[Any, dict[str, Any]]]:
    """
    Alerts that were due at *due*, as received and decoded.

    There may be others: if the clock ticks before the history is in the log, its logins come late one by one.
    """
    decode = Decoder(CONTRACT.alert, CONTRACT, REGISTRY).decode
    alerts = [(record, decode(record.value or b"")) for record in log.read(CONTRACT.alert.name)]
    return [(record, event) for record, event in alerts if event["due_at"] == due]


def reported(log: Path) -> str:
    """The metrics of both workers, as Prometheus reads them."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    addresses = [line["metrics"] for line in lines if line["event"] == "process.started"]
    pages = []
    for address in addresses:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            pages.append(answer.read().decode())
    return "\n".join(pages)


def test_an_account_goes_dark_within_a_tick_of_its_moment(
    broker: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    Nothing happens but that time passes: the clock ticks, the health worker fires what is due, the alert is
    out.

        last login |---- allowed silence ----| dark_at |-- at most a tick --| tick T >= dark_at: OPENED
    """
    assert Telltale(brokers=broker)("topics", "apply").code == 0
    log = AccountLog(broker)
    pipeline = RunningPipeline(broker, "", tmp_path / "log")
    workers = [pipeline.start("worker", kind) for kind in ("health", "intake")]
    try:
        eventually(lambda: pipeline.log.read_text().count(" is ready") == len(workers), 60)
        last_login_at = now_ms()
        last_login_at += now_ms() + 4_000 - dark_at(last_login_at)
        due = dark_at(last_login_at)
        log.append(rhythm(last_login_at))
        assert now_ms() < due
        eventually(lambda: due_then(log, due), 30)
        [(alert, event)] = due_then(log, due)
        time.sleep(1.1)  # the metrics are reported once a second
        told = reported(pipeline.log)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(30) for worker in workers]
        said = pipeline.log.read_text()
        print(said[-20_000:])  # noqa: T201 - pytest shows it when the test fails

    ticks = [e.observed_at for _, e in log.entries()[partition_of(ACCOUNT)] if isinstance(e.body, Tick)]
    first = min(tick for tick in ticks if tick >= due)
    assert (event["sign"], event["transition"], event["due_at"]) == ("went_dark", "OPENED", due)
    assert event["as_of"] == due
    assert first - due < TICK_SECONDS * 1000 + 1_000
    assert 0 <= alert.timestamp - first < 5_000
    assert codes == [0, 0]
    assert "Unclosed" not in said
    assert "Traceback" not in said
    assert 'telltale_alerts_total{sign="went_dark",transition="OPENED"}' in told
    assert 'telltale_accounts{band="UNKNOWN"}' in told
    assert 'kafka_consumergroup_lag{consumergroup="telltale-health",partition="0"' in told
    assert f'telltale_dead_letters_total{{code="decode",topic="{CONTRACT.input("login").name}"}} 0.0' in told
