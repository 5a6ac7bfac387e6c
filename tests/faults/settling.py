"""Lag 0: when everything that was sent has gone through intake, health and sink, and how long that took."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.faults.evidence import ALERT, CHANGE, CURRENT, LOG
from tests.faults.generator import TOPICS

_POLL_SECONDS: Final = 0.1
_SINK_GROUP: Final = "telltale-sink-postgres"

Ends = Mapping[tuple[str, int], int]


def wait_for_lag_0(
    brokers: str,
    *,
    prefix: str = "",
    database: str | None = None,
    seconds: float = 120.0,
    since: float | None = None,
    watch: Callable[[], None] = lambda: None,
    **client: Any,
) -> float:
    """
    Wait until what stands in the inputs now has been logged, folded and, with *database*, stored.

    Returns the seconds since *since* (``time.monotonic``), or since the call. Ticks go on all the while, so
    each stage is awaited up to where its input ended when the stage before it was done. Fails after
    *seconds*, or when *watch*, called all the while, raises.
    """
    started = time.monotonic()
    settings = {"bootstrap.servers": brokers, "log_level": 0, "enable.auto.commit": False, **client}
    deadline = started + seconds

    def until(reached: Callable[[], Ends], goal: Ends, who: str) -> None:
        while not _reached(reached, goal, who, late=time.monotonic() > deadline):
            watch()
            time.sleep(_POLL_SECONDS)

    for group, topics in (("telltale-intake", list(TOPICS.values())), ("telltale-health", [LOG])):
        goal = _ends(settings, [prefix + topic for topic in topics])
        until(partial(_committed, settings, prefix + group, goal), goal, group)
    if database is not None:
        goal = _ends(settings, [prefix + topic for topic in (CURRENT, CHANGE, ALERT)])
        until(partial(_stored, database, goal), goal, "sink")
    return time.monotonic() - (started if since is None else since)


def _reached(ask: Callable[[], Ends], goal: Ends, who: str, *, late: bool) -> bool:
    try:
        at = ask()
    except (KafkaException, psycopg.Error):
        at = {}  # what the test has broken may still be away
    left = [(place, end) for place, end in goal.items() if at.get(place, 0) < end]
    if left and late:
        [(place, end), *_] = left
        pytest.fail(f"I6: {who} stands at {at.get(place)} of {end} in {place}")
    return not left


def _ends(settings: dict[str, Any], topics: list[str]) -> Ends:
    """The next offset of every partition; what was trimmed already counts as there."""
    consumer = Consumer(settings | {"group.id": "faults-look"})
    try:
        return {
            (topic, number): consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1]
            for topic in topics
            for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions
        }
    finally:
        consumer.close()


def _committed(settings: dict[str, Any], group: str, goal: Ends) -> Ends:
    consumer = Consumer(settings | {"group.id": group})
    try:
        asked = [TopicPartition(topic, number) for topic, number in goal]
        return {(tp.topic, tp.partition): max(0, tp.offset) for tp in consumer.committed(asked, timeout=10)}
    finally:
        consumer.close()


def _stored(database: str, goal: Ends) -> Ends:
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        rows = connection.execute(
            "SELECT topic, partition, next_offset FROM sink_offset WHERE consumer_group LIKE %s",
            (f"%{_SINK_GROUP}",),
        ).fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows if (topic, partition) in goal}
