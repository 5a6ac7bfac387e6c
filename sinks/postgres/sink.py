"""The Postgres sink as a process runs it: the three public topics, read by one group, into the tables."""

import threading
from collections.abc import Mapping
from typing import Final

from pipeline import metrics
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.registry import Registry
from sinks.consumer.consumer import SinkConsumer
from sinks.consumer.readiness import Readiness
from sinks.postgres.connection import make_engine
from sinks.postgres.group import GROUP
from sinks.postgres.rows import CODES, RowMaker
from sinks.postgres.statements import STORING
from sinks.postgres.writer import PostgresTarget

TRANSACTION_SECONDS: Final = 10
"""
Most the server lets a batch take: so long a sink that is frozen in a transaction keeps its partitions from
others.
"""

ANSWER_SECONDS: Final = 20
"""
Most we wait for a transaction to end, then the server counts as away: longer than it lets one of ours take,
and than a statement may wait for the lock of a frozen sink.
"""


def stored_topics(contract: Contract) -> tuple[Topic, ...]:
    """The topics the sink reads."""
    return contract.outputs


def run_postgres_sink(
    *,
    brokers: str,
    dsn: str,
    contract: Contract,
    registry: Registry,
    security: Mapping[str, str],
    stop: threading.Event,
    session_seconds: float = 20.0,
    readiness: Readiness | None = None,
    accept_flood: bool = False,
) -> None:
    """
    Store health, changes and alerts in the Postgres at *dsn* until *stop* is set.

    The topics, and the group ``GROUP``, carry the prefix of *contract*. *security* are librdkafka's settings
    for TLS and SASL. Broker, registry and Postgres may be away, at the start too: the sink says so and waits.
    It raises ``SinkStopped`` or ``SchemaOutdated`` for what waiting does not mend; a start after that repeats
    nothing. With *accept_flood* it goes on however many records cannot be stored.
    """
    group = contract.prefix + GROUP
    # The server does not count who is frozen in the middle of a COPY or of many inserts as idle, and whoever
    # takes the partition over has to wait for the lock.
    engine = make_engine(dsn, application=group, transaction_seconds=TRANSACTION_SECONDS)
    metrics.seed(metrics.SINK_ROWS, table=[table.name for table in STORING], result=metrics.SINK_RESULTS)
    topics = [topic.name for topic in stored_topics(contract)]
    metrics.seed(metrics.DEAD_LETTERS, topic=topics, code=CODES)
    target = PostgresTarget(
        engine,
        group=group,
        rows=RowMaker(contract, registry),
        transaction_seconds=ANSWER_SECONDS,
        accept_flood=accept_flood,
    )
    try:
        SinkConsumer(
            target,
            brokers=brokers,
            group=group,
            topics=topics,
            security=security,
            session_seconds=session_seconds,
            readiness=readiness or Readiness(),
        ).run(stop)
    finally:
        engine.dispose()
