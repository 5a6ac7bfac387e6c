"""``telltale db``, ``accounts`` and ``explain`` on rows as the sink writes them."""

from decimal import Decimal

import pytest

from pipeline.health.outputs import OpenAlert
from pipeline.health.versions import Output
from tests.integration.command_line import Telltale
from tests.integration.postgres_sink_parts import alert, change, record, snapshot, target


@pytest.fixture
def telltale(postgres: str) -> Telltale:
    """Three customers, one of them in trouble; the first pays in euros, the others in dollars."""
    telltale = Telltale(brokers="", database_url=postgres)
    telltale("db", "upgrade")
    open_alert = OpenAlert(alert_id="al-1", sign="went_dark", severity="HIGH", opened_at=snapshot().as_of)
    outputs: list[Output] = [
        snapshot("alder", score=55.3, band="WATCH", open_alerts=(open_alert,)),
        snapshot("birch", score=21.0, band="CRITICAL", cmrr=Decimal("250.5"), currency="USD"),
        snapshot("cedar", score=None, band="UNKNOWN", cmrr=None, currency=None, owner=None),
        change("alder"),
        alert(),
    ]
    with target(postgres) as sink:
        sink.write([record(output) for output in outputs])
    return telltale


def test_an_upgrade_is_done_once_and_may_be_repeated(postgres: str) -> None:
    """The first run says from where to where, the second that there is nothing to do."""
    telltale = Telltale(brokers="", database_url=postgres)

    first, second = telltale("db", "upgrade"), telltale("db", "upgrade")

    assert first.out.startswith("from an empty database to ")
    assert second.out.endswith(" already\n")


def test_the_worst_account_stands_first_and_unknown_ones_last(telltale: Telltale) -> None:
    """As columns; how the portfolio stands is told on stderr, beside the data."""
    answer = telltale("accounts")

    assert [line.split()[0] for line in answer.out.splitlines()] == ["account", "birch", "alder", "cedar"]
    assert answer.out.splitlines()[1].split() == [
        "birch", "Birch", "21.0", "-54.0", "critical", "100%", "-", "USD", "250/month", "2027-01-13", "mara",
    ]  # fmt: skip
    assert answer.err == (
        "Accounts  0 healthy   1 watch   0 at risk   1 critical   1 unknown     at risk USD 250/month\n"
    )


def test_one_band_is_listed_alone(telltale: Telltale) -> None:
    """Who needs a call."""
    answer = telltale("accounts", "--band", "critical", "--json")

    assert [(row["account_id"], row["band"], row["cmrr"]) for row in answer.rows] == [
        ("birch", "CRITICAL", "250.5000")
    ]


def test_a_band_that_does_not_exist_is_wrong_usage(telltale: Telltale) -> None:
    """The choices are in the message."""
    answer = telltale("accounts", "--band", "bad")

    assert answer.code == 2
    assert "at_risk" in answer.err


def test_an_account_is_explained_by_its_rows(telltale: Telltale) -> None:
    """
    Score, components, the event that moved it with its place in Kafka, and the open alert with its step.
    """
    told = telltale("explain", "alder").out

    assert told.startswith("Alder (alder) scores 55.3, watch, 75.0 a week ago\n")
    assert "80 of 100 seats active" in told
    assert "customer.login.v1[0]@7  e1" in told
    assert "HIGH  went_dark: no login for 10 days" in told
    assert "Next   Call the owner, by Mon 23 Nov 12:00 UTC" in told


def test_an_explanation_as_json_is_one_object_with_everything(telltale: Telltale) -> None:
    """For scripts: account, changes and alerts."""
    (row,) = telltale("explain", "alder", "--json").rows

    assert row["account"]["account_id"] == "alder"
    assert row["changes"][0]["causes"][0]["offset"] == 7
    assert row["alerts"][0]["sign"] == "went_dark"


def test_an_unknown_account_is_an_error_with_a_hint(telltale: Telltale) -> None:
    """How many there are, and where their ids are listed."""
    answer = telltale("explain", "alders")

    assert answer.code == 1
    assert answer.err == 'error: no account "alders" among 3\nhint: `telltale accounts` lists their ids.\n'


def test_a_database_that_is_not_there_is_one_sentence() -> None:
    """Without its password."""
    answer = Telltale(brokers="", database_url="postgresql://user:canary@127.0.0.1:1/db")("accounts")

    assert answer.code == 1
    assert "error: Postgres at postgresql+psycopg://user:***@127.0.0.1:1/db does not answer" in answer.err
    assert "canary" not in answer.err


def test_tables_that_are_not_there_are_an_error_with_a_hint(postgres: str) -> None:
    """A database that was never migrated is the commonest first one."""
    answer = Telltale(brokers="", database_url=postgres)("accounts")

    assert answer.code == 1
    assert "telltale db upgrade" in answer.err
