"""What analysts and the command line read: figures that reconcile with the accounts they sum."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import pytest

from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.health.outputs import HealthSnapshot
from sinks.postgres.reading import HealthReader
from sinks.postgres.writer import PostgresTarget
from tests.integration.postgres_sink_parts import (
    DAY,
    TODAY,
    alert,
    change,
    migrated_database,
    record,
    rows,
    snapshot,
)

# The views ask now() what day it is. This one is found before the server's own, and in it the day never ends.
STAND_STILL = """
CREATE FUNCTION public.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT timestamptz '2026-11-22 12:00+00' $$;
ALTER DATABASE {database} SET search_path = public, pg_catalog;
"""
MIDNIGHT = TODAY * DAY


@pytest.fixture(scope="module")
def sink_database(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    with migrated_database(postgres_server, prepare=STAND_STILL) as dsn:
        yield dsn


@pytest.fixture
def reader(migrated: str) -> Iterator[HealthReader]:
    with HealthReader(migrated) as open_reader:
        yield open_reader


def euro(account_id: str, cmrr: int | None, band: str, **facts: object) -> HealthSnapshot:
    return snapshot(account_id, cmrr=None if cmrr is None else Decimal(cmrr), band=band, **facts)


PORTFOLIO = (
    euro("a", 100, "HEALTHY", segment="SMALL", owner="mara"),
    euro("b", 200, "AT_RISK", segment="SMALL", owner="mara"),
    euro("c", 400, "CRITICAL", segment="SMALL", owner="ole", region=None),
    euro("d", 800, "CRITICAL", segment="SMALL", owner="ole", currency="USD"),
    euro("e", None, "AT_RISK", segment="SMALL", owner=None, currency=None),
    euro("f", 1600, "WATCH", segment="ENTERPRISE", owner="mara", leaves_on=TODAY + 1),
    euro("g", 3200, "UNKNOWN", segment=None, owner="mara", score=None),
    euro("closed", 9999, "CRITICAL", closed=True),
    euro("left", 9999, "CRITICAL", leaves_on=TODAY),
    euro("gone", 9999, "CRITICAL", lifecycle_stage="LEFT"),
)
CUSTOMERS = {"a", "b", "c", "d", "e", "f", "g"}


def test_revenue_at_risk_is_that_of_at_risk_and_critical_by_currency(
    sink: PostgresTarget, reader: HealthReader
) -> None:
    """
    Worked out by hand: who has left counts nowhere, and an account without revenue counts as an account.
    """
    sink.write([record(each) for each in PORTFOLIO])

    reported = {
        (line.group, line.currency): (line.accounts, line.accounts_at_risk, line.cmrr, line.cmrr_at_risk)
        for line in reader.portfolio()
    }

    assert reported == {
        ("SMALL", "EUR"): (3, 2, Decimal(700), Decimal(600)),
        ("SMALL", "USD"): (1, 1, Decimal(800), Decimal(800)),
        ("SMALL", None): (1, 1, Decimal(0), Decimal(0)),
        ("ENTERPRISE", "EUR"): (1, 0, Decimal(1600), Decimal(0)),
        ("UNKNOWN", "EUR"): (1, 0, Decimal(3200), Decimal(0)),
    }


@pytest.mark.parametrize("by", ["segment", "owner", "region"])
def test_a_portfolio_reconciles_with_the_accounts_it_sums(
    sink: PostgresTarget, reader: HealthReader, by: Literal["segment", "owner", "region"]
) -> None:
    """Each customer is in one line and one band of it, and each line is the sum of its accounts."""
    sink.write([record(each) for each in PORTFOLIO])

    lines = reader.portfolio(by)
    accounts = reader.accounts()

    assert {account.account_id for account in accounts} == CUSTOMERS
    assert sum(line.accounts for line in lines) == len(CUSTOMERS)
    for line in lines:
        summed = [
            account
            for account in accounts
            if ((getattr(account, by) or ("UNKNOWN" if by == "segment" else None)), account.currency)
            == (line.group, line.currency)
        ]
        at_risk = [account for account in summed if account.band in {"AT_RISK", "CRITICAL"}]
        assert line.accounts == len(summed) == sum(line.accounts_by_band.values())
        assert line.accounts_at_risk == len(at_risk)
        assert line.cmrr == sum(account.cmrr or 0 for account in summed)
        assert line.cmrr_at_risk == sum(account.cmrr or 0 for account in at_risk)
        assert line.accounts_without_cmrr == len([1 for account in summed if account.cmrr is None])


def test_accounts_come_worst_first_and_may_be_of_one_band(sink: PostgresTarget, reader: HealthReader) -> None:
    """The list a customer-success manager works through from the top."""
    sink.write(
        [
            record(snapshot(name, score=score, band=band))
            for name, score, band in (
                ("fine", 90.0, "HEALTHY"),
                ("bad", 30.0, "AT_RISK"),
                ("worst", 10.0, "AT_RISK"),
                ("dim", None, "UNKNOWN"),
            )
        ]
    )

    assert [account.account_id for account in reader.accounts()] == ["worst", "bad", "fine", "dim"]
    assert [account.account_id for account in reader.accounts(band="AT_RISK", limit=1)] == ["worst"]


def test_a_day_ends_with_its_last_change_and_days_without_one_repeat_it(
    sink: PostgresTarget, migrated: str
) -> None:
    """
    Of several changes a day the highest version counts; a customer's line goes on to today, another's ends.

    ``day      -3      |  -2  |  -1   | today``
    ``alder    70, 60  |  60  |  50   |  50``
    ``left     20      |  20  | gone  |``
    """
    at = {days: MIDNIGHT - days * DAY for days in (3, 1)}
    sink.write(
        [
            record(snapshot("alder")),
            record(snapshot("left", leaves_on=TODAY - 1)),
            record(change("alder", version=1, as_of=at[3], score_after=70.0)),
            record(change("alder", version=2, as_of=at[3] + DAY - 1, score_after=60.0, band_after="WATCH")),
            record(change("alder", version=3, as_of=at[1], score_after=50.0, band_after="AT_RISK")),
            record(change("left", version=1, as_of=at[3], score_after=20.0, band_after="CRITICAL")),
        ]
    )

    daily = rows(migrated, "SELECT account_id, day, score, band, changed FROM health_daily ORDER BY 1, 2")

    def day(ago: int) -> date:
        return datetime.fromtimestamp(MIDNIGHT / 1000, UTC).date() - timedelta(days=ago)

    assert daily == [
        ("alder", day(3), 60.0, "WATCH", True),
        ("alder", day(2), 60.0, "WATCH", False),
        ("alder", day(1), 50.0, "AT_RISK", True),
        ("alder", day(0), 50.0, "AT_RISK", False),
        ("left", day(3), 20.0, "CRITICAL", True),
        ("left", day(2), 20.0, "CRITICAL", False),
    ]


def test_an_explanation_has_health_the_last_changes_and_what_is_open(
    sink: PostgresTarget, reader: HealthReader
) -> None:
    """Points and causes come as they were sent; resolved alerts and older changes stay out."""
    sink.write(
        [
            record(snapshot(version=5)),
            *(record(change(version=version)) for version in range(1, 6)),
            record(alert("open")),
            record(alert("over")),
            record(alert("over", sequence=2, transition="RESOLVED", resolved_by="recovery")),
            record(alert("elsewhere", account_id="finch")),
        ]
    )

    explained = reader.explain("alder", changes=2)

    assert explained is not None
    assert (explained.account.name, explained.account.version, explained.account.left) == ("Alder", 5, False)
    assert [each.version for each in explained.changes] == [5, 4]
    assert explained.changes[0].points == [
        {"component": "usage", "before": 90.0, "after": 80.0, "points": -10.0}
    ]
    assert explained.changes[0].causes[0]["offset"] == 7
    assert [(each.alert_id, each.evidence[0]["value"]) for each in explained.alerts] == [("open", 10.0)]
    assert reader.explain("nobody") is None


def test_a_story_is_all_that_happened_in_it(sink: PostgresTarget, reader: HealthReader) -> None:
    """
    Its alerts' transitions in order of time; other stories are not in it, and open alerts can be had by
    story.
    """
    later = alert().as_of + 1
    sink.write(
        [
            record(alert("al-1")),
            record(alert("al-2", as_of=later)),
            record(alert("al-1", sequence=2, transition="RESOLVED", as_of=later + 1)),
            record(alert("al-3", story_id="st-2")),
        ]
    )

    assert [(each.alert_id, each.transition) for each in reader.story("st-1")] == [
        ("al-1", "OPENED"),
        ("al-2", "OPENED"),
        ("al-1", "RESOLVED"),
    ]
    assert [each.alert_id for each in reader.alerts(story_id="st-1")] == ["al-2"]
    assert {each.alert_id for each in reader.alerts()} == {"al-2", "al-3"}
