"""`telltale worker` refuses to start where accounts would be placed wrongly, and says what to do."""

import os
import subprocess
import sys

from tests.integration.command_line import PSEUDONYM_KEY, Telltale


def start(kind: str, broker: str, partitions: int) -> tuple[int, str]:
    """Exit code and stderr of a worker that cannot start."""
    environment = os.environ | {
        "TELLTALE_BROKERS": broker,
        "TELLTALE_PARTITIONS": str(partitions),
        "TELLTALE_PSEUDONYM_KEY": PSEUDONYM_KEY,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "worker", kind],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stderr


def test_a_worker_that_counts_other_partitions_than_the_log_has_does_not_start(broker: str) -> None:
    """An account's events would go to two partitions, or be folded without their past."""
    assert Telltale(brokers=broker)("topics", "apply").code == 0

    code, said = start("health", broker, 5)

    assert code == 1
    assert "health.account-log.v1: 4 partitions, not 5" in said
    assert "TELLTALE_PARTITIONS must be the count the log was made with." in said
    assert "Traceback" not in said


def test_a_worker_without_topics_says_how_to_make_them(broker: str) -> None:
    """A broker may make a topic that is asked for by name, with settings of its own."""
    code, said = start("intake", broker, 4)

    assert code == 1
    assert "there is no topic health.account-log.v1" in said
    assert "telltale topics apply" in said
