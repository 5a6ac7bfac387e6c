"""An alert in a terminal says who, why, money, next step, owner and how fast it was told."""

from decimal import Decimal
from typing import Any

from pipeline.cli.alert_text import alert_lines, money, resolved_line, score_move

MONDAY = 1_795_424_400_000  # 2026-11-23 09:00 UTC
DAY = 86_400_000


def an_alert(**changes: Any) -> dict[str, Any]:
    alert: dict[str, Any] = {
        "account_id": "acc-1",
        "account_name": "Alder & Finch",
        "severity": "HIGH",
        "sign": "went_dark",
        "reason": "went dark, no login for 10 days (longest before: 5)",
        "score_before": 71.3,
        "score_after": 55.3,
        "points": [{"component": "support", "points": 0.0}, {"component": "usage", "points": -16.0}],
        "play": "Call the owner",
        "respond_by": MONDAY + DAY,
        "owner": "Mara Lindqvist",
        "cmrr": Decimal("18400.0000"),
        "currency": "EUR",
        "renewal_date": MONDAY // DAY + 52,
        "opened_at": MONDAY,
        "occurred_at": None,
        "observed_at": None,
        "due_at": MONDAY,
        "as_of": MONDAY,
    }
    return alert | changes


def test_a_silence_is_told_in_six_lines_counted_from_its_due_moment() -> None:
    assert alert_lines(an_alert(), MONDAY / 1000 + 0.8) == [
        " ALERT  HIGH  Alder & Finch went dark, no login for 10 days (longest before: 5)",
        "        money  EUR 18,400/month, renews in 52 days",
        "        score  71.3 -> 55.3   usage -16.0",
        "        next   Call the owner, by Tue 24 Nov 09:00 UTC",
        "        owner  Mara Lindqvist",
        "        told   0.8 s after it was due",
    ]


def test_an_alert_that_an_event_caused_counts_from_its_observation() -> None:
    lines = alert_lines(an_alert(due_at=None, observed_at=MONDAY - 2000), MONDAY / 1000)

    assert lines[-1] == "        told   2.0 s after the event"


def test_an_account_without_revenue_or_owner_says_so_and_hides_the_money() -> None:
    lines = alert_lines(an_alert(cmrr=None, currency=None, renewal_date=None, owner=None), MONDAY / 1000)

    assert not any("money" in line for line in lines)
    assert "        owner  nobody yet" in lines


def test_an_unknown_score_is_written_as_a_word() -> None:
    assert score_move(an_alert(score_before=None, points=[])) == "unknown -> 55.3"


def test_money_is_per_month_in_its_currency() -> None:
    assert money(Decimal("96200.49"), "CHF") == "CHF 96,200/month"


def test_a_resolved_alert_is_one_line_with_the_time_it_was_open() -> None:
    line = resolved_line(an_alert(as_of=MONDAY + 13_000, reason="is back, 9 people signed in"))

    assert line == " DONE   Alder & Finch is back, 9 people signed in (went_dark, open 13 s)"
