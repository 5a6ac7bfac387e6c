"""An intake worker killed between append and commit: what it appends again is left out by the marks."""

import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pipeline.wire.inputs import InputEncoder
from tests.integration.worker_log import CONTRACT, REGISTRY, AccountLog, Undisturbed

EVENTS, ACCOUNTS = 3_000, 50
START = 1_770_000_000_000
LOGINS = CONTRACT.input("login").name
SCRIPT = Path(__file__).with_name("killed_worker.py")


def send(log: AccountLog) -> None:
    """Logins of each account in turn, spread over the partitions of the input."""
    encode = InputEncoder(CONTRACT, REGISTRY).encode
    for number in range(EVENTS):
        login = {"event_id": f"login-{number}", "occurred_at": START, "source": "app", "user_id": "u"}
        login |= {"account_id": f"acc-{number % ACCOUNTS}", "channel": "WEB", "role": "USER"}
        log.send(LOGINS, encode("login", login), partition=number % 3)
    log.flush()


def worker(bootstrap: str, dies_at: str = "", append: int = 0) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, SCRIPT, "intake", bootstrap, dies_at, str(append)])


def test_what_an_intake_repeats_after_a_kill_counts_once(
    broker: str, eventually: Callable[..., None]
) -> None:
    """
    Each log partition holds a prefix of each source partition, and then, after the crash, the same again and
    the rest.

        0 1 2 3 4 5 | kill -9 | 0 1 2 3 4 5 6 7 8 9     highest offset applied: 5, so 0 to 5 are repeats
    """
    log = AccountLog(broker)
    send(log)

    assert worker(broker, CONTRACT.log.name, 2).wait(30) == -signal.SIGKILL
    last = worker(broker)
    eventually(lambda: log.all_committed("telltale-intake", [LOGINS]), 30)
    last.send_signal(signal.SIGTERM)
    assert last.wait(20) == 0

    counted = repeats = 0
    for partition, entries in log.entries().items():
        sources: dict[int, list[int]] = defaultdict(list)
        for _, entry in entries:
            sources[entry.partition].append(entry.offset)
        for offsets in sources.values():
            assert list(dict.fromkeys(offsets)) == sorted(set(offsets))
        counters = Undisturbed(partition, entries).fold.counters
        counted, repeats = counted + counters.events, repeats + counters.repeats
    assert counted == EVENTS
    assert repeats > 0
