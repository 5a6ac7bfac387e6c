"""
Each place inside Faust and aiokafka that the lane overrides or touches, as the pinned versions have it.

When one of these fails after an upgrade, read what the new version does there before changing the lane.
"""

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka import AIOKafkaClient, AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from faust import App, Schema, Table
from faust.stores.base import Store
from faust.tables.recovery import Recovery, ServiceStopped
from faust.transport.drivers import aiokafka as driver

from agents.app import make_app

Consumer, ConsumerThread, Producer = driver.Consumer, driver.AIOKafkaConsumerThread, driver.Producer

SIGNATURES = [
    # overridden in LaneConsumer
    (Consumer, "_new_consumer_thread", ["self"]),
    (Consumer, "getmany", ["self", "timeout"]),
    (Consumer, "_getmany", ["self", "active_partitions", "timeout"]),
    (Consumer, "_to_message", ["self", "tp", "record"]),
    (Consumer, "pause_partitions", ["self", "tps"]),
    (Consumer, "resume_partitions", ["self", "tps"]),
    (Consumer, "perform_seek", ["self"]),
    (Consumer, "seek_to_committed", ["self"]),
    (Consumer, "resume_flow", ["self"]),
    (Consumer, "ack", ["self", "message"]),
    (Consumer, "_filter_tps_with_pending_acks", ["self", "topics"]),
    (Consumer, "_new_offset", ["self", "tp"]),
    (Consumer, "_add_gap", ["self", "tp", "offset_from", "offset_to"]),
    (Consumer, "on_partitions_revoked", ["self", "revoked"]),
    (Consumer, "verify_event_path", ["self", "now", "tp"]),
    # called by LaneConsumer
    (Consumer, "commit", ["self", "topics", "start_new_transaction"]),
    (Consumer, "maybe_wait_for_commit_to_finish", ["self"]),
    (Consumer, "_is_changelog_tp", ["self", "tp"]),
    # LaneConsumerThread
    (ConsumerThread, "_create_worker_consumer", ["self", "transport"]),
    (ConsumerThread, "_ensure_consumer", ["self"]),
    (ConsumerThread, "_fetch_records", ["self", "consumer", "active_partitions", "timeout", "max_records"]),
    (ConsumerThread, "on_start", ["self"]),
    (ConsumerThread, "call_thread", ["self", "fun", "args", "kwargs"]),
    (AIOKafkaConsumer, "seek", ["self", "partition", "offset"]),
    (AIOKafkaConsumer, "seek_to_beginning", ["self", "partitions"]),
    (AIOKafkaConsumer, "pause", ["self", "partitions"]),
    (AIOKafkaConsumer, "resume", ["self", "partitions"]),
    (GroupCoordinator, "_send_req", ["self", "request"]),
    (GroupCoordinator, "check_errors", ["self"]),
    # LaneProducer, append
    (Producer, "_settings_default", ["self"]),
    (Producer, "on_start", ["self"]),
    (Producer, "_ensure_producer", ["self"]),
    (AIOKafkaClient, "send", ["self", "node_id", "request", "group"]),
    (AIOKafkaProducer, "create_batch", ["self"]),
    (AIOKafkaProducer, "send_batch", ["self", "batch", "topic", "partition"]),
    (BatchBuilder, "append", ["self", "timestamp", "key", "value", "headers"]),
    (BatchBuilder, "size", ["self"]),
    (BatchBuilder, "close", ["self"]),
    (BatchBuilder, "record_count", ["self"]),
    # LaneTransport, LaneSchema, LaneApp
    (driver.Transport, "__init__", ["self", "args", "kwargs"]),
    (Schema, "loads_key", ["self", "app", "message", "loads", "serializer"]),
    (Schema, "loads_value", ["self", "app", "message", "loads", "serializer"]),
    (App, "_new_transport", ["self"]),
    (App, "_create_directories", ["self"]),
    # StateStore, StateTable
    (Store, "persisted_offset", ["self", "tp"]),
    (Store, "set_persisted_offset", ["self", "tp", "offset"]),
    (Store, "on_recovery_completed", ["self", "active_tps", "standby_tps"]),
    (Store, "on_rebalance", ["self", "assigned", "revoked", "newly_assigned", "generation_id"]),
    (Table, "apply_changelog_batch", ["self", "batch"]),
    (Table, "_new_store", ["self"]),
    (Table, "info", ["self"]),
    # worker
    (driver, "server_list", ["urls", "default_port"]),
    (driver, "credentials_to_aiokafka_auth", ["credentials", "ssl_context"]),
    (AIOKafkaClient, "bootstrap", ["self"]),
]


@pytest.mark.parametrize(("package", "expected"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.")])
def test_the_pinned_versions_are_installed(package: str, expected: str) -> None:
    """The lane was written against these, line by line."""
    assert version(package).startswith(expected)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    SIGNATURES,
    ids=[f"{owner.__name__}.{name}" for owner, name, _ in SIGNATURES],
)
def test_what_the_lane_overrides_or_calls_takes_the_same_parameters(
    owner: Any, name: str, parameters: list[str]
) -> None:
    """An override whose original is gone or called otherwise would never run."""
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_a_poll_is_an_async_generator() -> None:
    """LaneConsumer.getmany iterates over it."""
    assert inspect.isasyncgenfunction(Consumer.getmany)


@pytest.mark.asyncio
async def test_faust_takes_a_timeout_in_recovery_for_a_shutdown() -> None:
    """
    Why the group watch looks after the recovery task: it ends without an error, and the worker waits for
    ever.
    """
    app = make_app("toy", brokers="127.0.0.1:1", partitions=4)
    recovery = Recovery(app, app.tables)

    with pytest.raises(ServiceStopped):
        await recovery._wait(asyncio.sleep(1), timeout=0.01)
