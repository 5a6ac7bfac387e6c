"""
`make demo ARGS=--once`, as the README has it: every story told, its alert in Postgres, nothing left behind.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STORIES = {"contests", "gives_notice", "goes_dark", "p1_beyond_sla", "speaks_out"}


@pytest.mark.timeout(240)
def test_the_demo_tells_every_story_and_cleans_up(tmp_path: Path) -> None:
    """Run in a folder of its own, with settings of the user's around that must not get in."""
    surroundings = {**os.environ, "TELLTALE_BROKERS": "127.0.0.1:1", "TELLTALE_TOPIC_PREFIX": "mine-"}

    played = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "demo", "--once"],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )

    assert played.returncode == 0, played.stdout + played.stderr
    told = {line.split()[0] for line in played.stdout.splitlines() if "in Postgres" in line}
    assert told == STORIES
    assert not (tmp_path / ".run" / "demo.env").exists()
    assert all(log.stat().st_size for log in (tmp_path / ".run" / "demo").iterdir())
    assert "in another terminal" not in played.stdout
    assert "for librdkafka and kafkajs; `make kafka` starts a broker for all clients" in played.stdout
