"""`telltale run` on the embedded default: events in, explained health in the topics and in Postgres."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.command_line import Telltale
from tests.integration.running_pipeline import Outsider, RunningPipeline, now_ms, running

DAY = 86_400_000


def an_account(account_id: str, **changes: object) -> dict[str, object]:
    account = {
        "event_id": f"{account_id}-facts",
        "occurred_at": now_ms() - DAY,
        "source": "crm",
        "account_id": account_id,
        "name": "Alder & Finch",
        "domains": ["alder-finch.example"],
        "external_ids": {"zendesk": "org-1"},
        "segment": "MID",
        "lifecycle_stage": "LIVE",
        "seats": 4,
        "cmrr": Decimal("1200.5000"),
        "currency": "EUR",
        "renewal_date": None,
        "notice_given_on": None,
        "leaves_on": None,
        "owner": "mara",
        "region": "EMEA",
        "industry": None,
        "time_zone": None,
        "start_date": None,
    }
    return account | changes


def a_login(number: int, **changes: object) -> dict[str, object]:
    login = {
        "event_id": f"login-{number}",
        "occurred_at": now_ms() - 1000,
        "source": "app",
        "account_id": "acc-1",
        "external_id": None,
        "email": None,
        "user_id": f"user-{number}",
        "channel": "WEB",
        "feature": None,
        "role": "USER",
    }
    return login | changes


def a_survey(number: int, **changes: object) -> dict[str, object]:
    survey = {
        "event_id": f"survey-{number}",
        "occurred_at": now_ms() - 1000,
        "source": "delighted",
        "account_id": "acc-1",
        "external_id": None,
        "email": None,
        "survey_id": f"s-{number}",
        "step": "ANSWERED",
        "kind": "NPS",
        "score": 9,
        "scale_min": 0,
        "scale_max": 10,
        "higher_is_better": True,
        "respondent": None,
        "respondent_role": "UNKNOWN",
        "comment": "call me at home",
    }
    return survey | changes


def a_ticket(number: int, **changes: object) -> dict[str, object]:
    ticket = {
        "event_id": f"ticket-{number}",
        "occurred_at": now_ms() - 1000,
        "source": "zendesk",
        "account_id": "acc-1",
        "external_id": None,
        "email": None,
        "ticket_id": f"t-{number}",
        "step": "OPENED",
        "severity": "P3",
        "category": None,
        "requester": None,
    }
    return ticket | changes


def an_invoice(number: int, **changes: object) -> dict[str, object]:
    invoice = {
        "event_id": f"invoice-{number}",
        "occurred_at": now_ms() - 1000,
        "source": "stripe",
        "account_id": "acc-1",
        "external_id": None,
        "email": None,
        "invoice_id": f"in-{number}",
        "step": "ISSUED",
        "amount": Decimal("1200.5000"),
        "currency": "EUR",
        "due_date": datetime.now(UTC).date() + timedelta(days=30),
        "recurring_amount": None,
        "period_start": None,
        "period_end": None,
    }
    return invoice | changes


def test_an_outsider_feeds_and_reads_the_pipeline_by_the_schema_files_alone(
    broker: str, postgres: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    Events placed by id, external id and domain reach one account; topics and Postgres say which of them did
    it.
    """
    outsider = Outsider(broker)
    with running(RunningPipeline(broker, postgres, tmp_path / "log")) as pipeline:
        outsider.send("customer.account.v1", an_account("acc-1"), key="acc-1")
        outsider.flush()
        outsider.send("customer.support-ticket.v1", a_ticket(1, account_id=None, external_id="org-1"))
        outsider.send("customer.survey.v1", a_survey(1, account_id=None, email="x@Alder-Finch.example"))
        outsider.send("customer.invoice.v1", an_invoice(1))
        outsider.flush()
        causes = "SELECT DISTINCT c->>'event_id' FROM health_change, jsonb_array_elements(causes) c"
        wanted = {("acc-1-facts",), ("ticket-1",), ("survey-1",), ("invoice-1",)}
        eventually(lambda: set(pipeline.rows(causes)) == wanted, 60)
        stored = pipeline.rows("SELECT version, band, score, coverage FROM health_snapshot")

        snapshots = [value for key, value in outsider.read("health.current.v1") if key == "acc-1"]
        changes = [value for key, value in outsider.read("health.change.v1") if key == "acc-1"]
        compared = Telltale(brokers=broker)("verify", "--no-database")

    newest = max(snapshots, key=lambda snapshot: snapshot["version"])
    known = {c["name"]: c["points"] for c in newest["components"] if c["score"] is not None}
    assert (newest["account_name"], newest["coverage"], set(known)) == (
        "Alder & Finch",
        pytest.approx(0.6),
        {"support", "sentiment", "billing"},
    )
    assert sum(known.values()) == pytest.approx(newest["score"], abs=0.01)
    assert stored == [(newest["version"], newest["band"], newest["score"], pytest.approx(0.6))]
    assert [change["version"] for change in changes] == list(range(1, newest["version"] + 1))
    cause = next(c for change in changes for c in change["causes"] if c["event_id"] == "ticket-1")
    assert (cause["topic"], cause["offset"]) == ("customer.support-ticket.v1", 0)
    assert compared.code == 0, compared.out


def test_what_cannot_be_used_goes_aside_with_a_code_and_its_neighbours_are_processed(
    broker: str, postgres: str, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    """
    Garbage, an unknown schema id, an answer of 11, a far future, an unknown account: each once, as received.
    """
    outsider = Outsider(broker)
    far_future = now_ms() + 3_600_000
    with running(RunningPipeline(broker, postgres, tmp_path / "log")) as pipeline:
        outsider.send("customer.login.v1", b"garbage", key="k")
        outsider.send("customer.login.v1", b"\0\0\0\x03\xe7rest")
        outsider.send("customer.login.v1", a_login(1, occurred_at=far_future))
        outsider.send("customer.login.v1", a_login(2, account_id=None, email="x@nobody.example"))
        outsider.send("customer.survey.v1", a_survey(1, score=11))
        outsider.send("customer.survey.v1", a_survey(2, account_id="acc-2"))
        outsider.send("customer.login.v1", a_login(3, account_id="acc-3"))
        outsider.flush()
        stored = "SELECT 1 FROM health_change, jsonb_array_elements(causes) c WHERE c->>'event_id' = %s"
        for event_id in ("survey-2", "login-3"):
            eventually(lambda event_id=event_id: pipeline.rows(stored, event_id), 60)
        dead_letters = outsider.messages("customer.login.v1.dlq") + outsider.messages(
            "customer.survey.v1.dlq"
        )

    codes = sorted(dict(dead_letter.headers())["telltale-dlq-code"].decode() for dead_letter in dead_letters)
    assert codes == ["decode", "future_timestamp", "range", "unknown_schema", "unresolved_account"]
    garbage = next(dead_letter for dead_letter in dead_letters if dead_letter.value() == b"garbage")
    assert garbage.key() == b"k"
    assert dict(garbage.headers())["__connect.errors.topic"] == b"customer.login.v1"
    assert not any(
        b"nobody.example" in value for dead_letter in dead_letters for _, value in dead_letter.headers()
    )
