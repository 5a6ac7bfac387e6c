"""
Scenarios and what must become of them: `telltale replay` gives these scores and alerts, to the byte.

`usage`, `relations` and `billing` are accounts of `telltale simulate` who live a story: went dark, lost their
champion, stopped paying, are about to leave, or only look so. `edges` is by hand and in no order: retries,
late events and tickets told backwards, accounts found by external id or domain, by two of them or none,
actions, closed accounts.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import cli

SCENARIOS = Path(__file__).with_name("scenarios")


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.ndjson")))
def test_a_scenario_gives_the_scores_and_alerts_agreed_upon(
    name: str, tmp_path: Path, *, update_golden: bool
) -> None:
    """Rows are compared as text, so that a difference is seen as the rows that differ."""
    expected = {kind: SCENARIOS / f"{name}.{kind}.csv" for kind in ("scores", "alerts")}
    folder = SCENARIOS if update_golden else tmp_path
    found = {kind: folder / path.name for kind, path in expected.items()}

    answer = CliRunner().invoke(
        cli.main,
        ["replay", str(SCENARIOS / f"{name}.ndjson")]
        + [word for kind, path in found.items() for word in (f"--{kind}", str(path))],
    )

    assert answer.exit_code == 0, answer.stderr
    for kind, path in expected.items():
        assert found[kind].read_text().splitlines() == path.read_text().splitlines()
