"""Rows on stdout: columns for people, JSON for programs."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pipeline.cli.printing import print_json, print_table
from pipeline.ops.text_rows import moment


def test_columns_are_aligned_and_nothing_is_shown_as_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers end where their heading ends, and no line has blanks at its end."""
    print_table(
        ("account", "score", "since"),
        [("acme", 71, datetime(2026, 11, 1, 9, 30, tzinfo=UTC)), ("alder-finch", None, None)],
        right=(1,),
    )

    assert capsys.readouterr().out == (
        "account      score  since\n"
        "acme            71  2026-11-01 09:30:00\n"
        "alder-finch      -  -\n"
    )  # fmt: skip


def test_json_rows_keep_money_and_moments_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line; a float would have lost the cents."""
    print_json(
        [{"cmrr": Decimal("18400.10"), "as_of": moment(1_793_525_400_000), "name": "Blå"}, {"cmrr": None}]
    )

    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"cmrr": "18400.10", "as_of": "2026-11-01T09:30:00Z", "name": "Blå"}
    assert json.loads(second) == {"cmrr": None}
