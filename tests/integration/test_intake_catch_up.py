"""An intake that starts a day after its inputs: what it writes into the log is in order of time, nearly."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline.wire.inputs import InputEncoder
from tests.integration.worker_log import CONTRACT, PARTITIONS, REGISTRY, AccountLog

DAYS = 1
MINUTE, DAY = 60_000, 86_400_000
LEAD = 2 * MINUTE
LOGINS, SURVEYS, FACTS = 2_000, 60, 40
SCRIPT = Path(__file__).with_name("killed_worker.py")

encode = InputEncoder(CONTRACT, REGISTRY).encode


def retain(log: AccountLog, began: int) -> None:
    """Three inputs of very different sizes, each over all its partitions; the other inputs stay empty."""
    for source, count, fields in (
        ("login", LOGINS, visit),
        ("survey", SURVEYS, answer),
        ("account", FACTS, facts),
    ):
        for number in range(count):
            at, account_id = began + number * DAYS * DAY // count, f"acc-{number % 16}"
            event = {
                "event_id": f"{source}-{number}",
                "occurred_at": at,
                "source": "test",
                "account_id": account_id,
            }
            value = encode(source, event | fields(number))
            log.send(
                CONTRACT.input(source).name, value, account_id.encode(), number % PARTITIONS, timestamp=at
            )
    log.flush()


def visit(number: int) -> dict[str, Any]:
    return {"user_id": f"u-{number % 50}", "channel": "WEB", "role": "USER"}


def answer(number: int) -> dict[str, Any]:
    scale = {"score": 9, "scale_min": 0, "scale_max": 10, "higher_is_better": True}
    return scale | {
        "survey_id": f"s-{number}",
        "step": "ANSWERED",
        "kind": "NPS",
        "respondent_role": "UNKNOWN",
    }


def facts(number: int) -> dict[str, Any]:
    derived = {"segment": "MID", "lifecycle_stage": "LIVE", "domains": [], "external_ids": {}}
    return derived | {"name": f"Account {number}"}


def test_inputs_that_span_a_day_are_logged_aligned_in_time(
    broker: str, eventually: Callable[..., None]
) -> None:
    """
    No entry is observed more than the lead before one that stands in front of it; fetched input by input it
    is most of a day.

        logins    |.:.:.:.:.:.:.:.:.:.:.:.:.:.:.:|
        surveys   | .   .   .   .   .   .   .   .|     one poll of them spans the whole day
        accounts  |.      .      .      .      . |
    """
    log = AccountLog(broker)
    retain(log, int(time.time() * 1000) - DAYS * DAY)

    worker = subprocess.Popen([sys.executable, SCRIPT, "intake", broker, "", "0"])
    inputs = [topic.name for topic in CONTRACT.inputs]
    eventually(lambda: log.all_committed("telltale-intake", inputs), 40)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0

    kinds: Counter[str] = Counter()
    for of_partition in log.entries().values():
        events = [entry for _, entry in of_partition if entry.source]
        newest_before = accumulate((event.observed_at for event in events), max)
        behind = [newest - event.observed_at for newest, event in zip(newest_before, events, strict=True)]
        assert max(behind) <= LEAD
        kinds.update(event.source for event in events)
    assert kinds == {"login": LOGINS, "survey": SURVEYS, "account": FACTS}
