"""
An installation is upgraded: this release's commands on the topics of an older one, as that one left them.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.embedded.broker import EmbeddedBroker
from tests.golden.golden_logs import FOLD_VERSIONS, RELEASES, TOPICS, written
from tests.integration.command_line import Telltale
from tests.integration.worker_log import CONTRACT, PARTITIONS, AccountLog

SAME_VERSIONS = 2
"""
From this fold version on, accounts have the same versions as today; what was scored by version 1 is found to
differ.
"""


@pytest.fixture(params=RELEASES)
def installation(request: pytest.FixtureRequest) -> Iterator[tuple[str, AccountLog]]:
    """The release's name, and a broker with its topics."""
    release: str = request.param
    with EmbeddedBroker() as broker:
        log = AccountLog(broker.bootstrap)
        for what, topic in TOPICS.items():
            for record in written(release, what):
                log.send(topic, record.value, record.key, record.partition)
        log.flush()
        yield release, log


def run_health(log: AccountLog, tmp_path: Path, eventually: Callable[..., None]) -> str:
    """Run a health worker until it has committed the whole log; what it said."""
    settings = {"TELLTALE_BROKERS": log.client["bootstrap.servers"], "TELLTALE_PARTITIONS": str(PARTITIONS)}
    with (tmp_path / "health.log").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "worker", "health"],
            env=os.environ | settings,
            stdout=said,
            stderr=said,
        )
        try:
            eventually(lambda: log.all_committed("telltale-health", [CONTRACT.log.name]), 40)
        finally:
            process.terminate()
            code = process.wait(30)
    text = (tmp_path / "health.log").read_text()
    assert code == 0, text
    return text


def test_every_command_opens_what_an_older_release_wrote(
    installation: tuple[str, AccountLog], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    The worker goes on from the old state; scorecards are known to be active; a rebuild and its check find
    nothing wrong.
    """
    release, log = installation
    telltale = Telltale(brokers=log.client["bootstrap.servers"])
    same_versions = FOLD_VERSIONS[release] >= SAME_VERSIONS

    said = run_health(log, tmp_path, eventually)
    verified = telltale("verify", "--no-database", "--json")
    applied = telltale("scorecards", "apply")
    rebuilt = telltale("rebuild")
    verified_after = telltale("verify", "--no-database")

    assert "Traceback" not in said
    # Release 1e00a40 remembered ids of events that it left out; they go as new ones come.
    differing = {row["field"].partition(".")[0] for row in verified.rows}
    assert differing == {"seen_ids"} if same_versions else len(differing) > 1
    assert "for an earlier arithmetic made them" in verified.err
    assert "other contents" not in applied.err
    assert rebuilt.code == 0, rebuilt.err
    assert "epoch 2" in rebuilt.out
    assert verified_after.code == 0, verified_after.out
    assert "earlier arithmetic" not in verified_after.err
