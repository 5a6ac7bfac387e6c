"""Records as health would write them, databases with tables, and waiting for what must come."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pipeline.embedded.postgres import EmbeddedPostgres
from pipeline.health.outputs import (
    AlertEvent,
    Cause,
    ComponentMove,
    ComponentScore,
    Evidence,
    HealthChange,
    HealthSnapshot,
)
from pipeline.wire.contract import Contract
from pipeline.wire.outputs import SCORED_AT, OutputEncoder
from pipeline.wire.registry import open_registry
from sinks.postgres import migrations
from sinks.postgres.connection import make_engine
from sinks.postgres.rows import RowMaker
from sinks.postgres.tables import metadata
from sinks.postgres.writer import PostgresTarget
from sinks.target import Partition, Record

CONTRACT = Contract.load()
REGISTRY = open_registry(CONTRACT)
ENCODER = OutputEncoder(CONTRACT, REGISTRY)
CURRENT, CHANGE, ALERT = CONTRACT.current.name, CONTRACT.change.name, CONTRACT.alert.name

NOW = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)
DAY = 86_400_000
TODAY = NOW // DAY


def snapshot(account_id: str = "alder", **changes: Any) -> HealthSnapshot:
    """A healthy customer's latest health."""
    usage = ComponentScore(
        name="usage",
        score=80.0,
        weight=40.0,
        points=80.0,
        reason="80 of 100 seats active",
        fresh_until=NOW + DAY,
    )
    return replace(
        HealthSnapshot(
            account_id=account_id,
            account_name=account_id.title(),
            epoch=1,
            version=1,
            score=80.0,
            band="HEALTHY",
            computed_band="HEALTHY",
            forced_by=None,
            coverage=1.0,
            components=(usage,),
            score_7d_ago=75.0,
            score_28d_ago=None,
            open_alerts=(),
            override=None,
            cmrr=Decimal("1000.0000"),
            currency="EUR",
            renewal_date=TODAY + 52,
            owner="mara",
            segment="ENTERPRISE",
            region="DACH",
            lifecycle_stage="LIVE",
            seats=100,
            leaves_on=None,
            closed=False,
            scorecard_name="enterprise",
            scorecard_version="1",
            fold_version=1,
            as_of=NOW,
        ),
        **changes,
    )


def change(account_id: str = "alder", **changes: Any) -> HealthChange:
    """One event took ten points."""
    move = ComponentMove(component="usage", before=90.0, after=80.0, points=-10.0)
    cause = Cause(event_id="e1", topic="login", partition=0, offset=7, occurred_at=NOW - 1000)
    return replace(
        HealthChange(
            account_id=account_id,
            epoch=1,
            version=1,
            kind="EVENT",
            score_before=90.0,
            score_after=80.0,
            band_before="HEALTHY",
            band_after="HEALTHY",
            coverage_before=1.0,
            coverage_after=1.0,
            points=(move,),
            causes=(cause,),
            causes_count=1,
            scorecard_name="enterprise",
            scorecard_version="1",
            scorecard_digest="15a615547f8edaa4",
            fold_version=1,
            as_of=NOW,
        ),
        **changes,
    )


def alert(alert_id: str = "al-1", **changes: Any) -> AlertEvent:
    """An account went dark."""
    return replace(
        AlertEvent(
            alert_id=alert_id,
            sequence=1,
            story_id="st-1",
            epoch=1,
            version=1,
            account_id="alder",
            account_name="Alder",
            sign="went_dark",
            transition="OPENED",
            severity="HIGH",
            score_before=90.0,
            score_after=80.0,
            points=(("usage", -10.0),),
            band="HEALTHY",
            reason="no login for 10 days",
            evidence=(Evidence(fact="days_since_login", value=10.0, usual=1.0),),
            play="Call the owner.",
            respond_by=NOW + DAY,
            cmrr=Decimal("1000.0000"),
            currency="EUR",
            renewal_date=TODAY + 52,
            owner="mara",
            opened_at=NOW,
            occurred_at=None,
            observed_at=None,
            due_at=NOW - 500,
            resolved_by=None,
            as_of=NOW,
        ),
        **changes,
    )


Output = HealthSnapshot | HealthChange | AlertEvent


def encoded(output: Output) -> tuple[str, bytes]:
    """Topic and value of an output."""
    return ENCODER.encode(output)


_offsets = {topic: count() for topic in (CURRENT, CHANGE, ALERT)}


def record(output: Output, *, offset: int | None = None, scored_at: int = NOW + 40) -> Record:
    """An output as the consumer hands it over, from partition 0, each at the offset after the one before."""
    topic, value = encoded(output)
    return Record(
        partition=Partition(topic, 0),
        offset=next(_offsets[topic]) if offset is None else offset,
        timestamp=NOW + 50,
        key=output.account_id.encode(),
        value=value,
        headers=((SCORED_AT, str(scored_at).encode()),),
    )


PARTITIONS = [Partition(topic, 0) for topic in (CURRENT, CHANGE, ALERT)]


ROWS = RowMaker(CONTRACT, REGISTRY)


@contextmanager
def target(dsn: str, *, group: str = "sink", **settings: Any) -> Iterator[PostgresTarget]:
    """A target that owns partition 0 of each topic."""
    engine = make_engine(dsn, application=group)
    owner = PostgresTarget(engine, group=group, rows=ROWS, **settings)
    try:
        owner.claim(PARTITIONS, {})
        yield owner
    finally:
        engine.dispose()


@contextmanager
def migrated_database(server: EmbeddedPostgres, *, prepare: str = "") -> Iterator[str]:
    """A database with the tables, for the tests of a module: to migrate takes longer than most of them."""
    name = f"sink_{uuid4().hex}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        dsn = server.dsn.removesuffix("telltale") + name
        if prepare:
            run_sql(dsn, prepare.format(database=name))
        migrations.upgrade(dsn)
        yield dsn
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def empty_tables(dsn: str) -> None:
    """Leave no row behind from another test."""
    run_sql(dsn, f"TRUNCATE {', '.join(table.name for table in metadata.sorted_tables)}")


def run_sql(dsn: str, statement: str) -> None:
    """What another session does, and commits."""
    with create_engine(dsn, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(statement)


def rows(dsn: str, query: str, **parameters: object) -> list[Any]:
    """What the database answers."""
    with create_engine(dsn, poolclass=NullPool).connect() as connection:
        return list(connection.execute(text(query), parameters))


def value(dsn: str, query: str, **parameters: object) -> Any:
    """The one value the database answers."""
    [[found]] = rows(dsn, query, **parameters)
    return found


def until(condition: Callable[[], object], *, what: str, seconds: float = 30.0) -> None:
    """Wait for *condition*; the test fails with *what* was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.02)
