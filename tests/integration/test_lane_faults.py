"""
Workers on the lane as processes, on the embedded broker, killed, frozen, written over: totals stay exact.

The truth is what the test has sent. A start takes 5 s here, of which the broker waits 3 for further group
members.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.lane.fences import Exit
from pipeline.wire.position import PARTITION_RECORD
from tests.integration.lane_toy import (
    CHANGELOG,
    GROUP,
    LOG,
    NOBODY_CAN_ADD,
    OUTPUT,
    PARTITIONS,
    SESSION_SECONDS,
    pack,
    state,
    unpack,
)

QUIET: dict[str, Any] = {"log_level": 0}


class Kafka:
    """The broker as the outside sees it, and what was sent to the log."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True} | QUIET)
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": GROUP, "fetch.wait.max.ms": 10} | QUIET
        )
        self.sent: Counter[bytes] = Counter()
        self._partition_of: dict[bytes, int] = {}
        for topic in (LOG, OUTPUT, CHANGELOG):
            AdminClient({"bootstrap.servers": bootstrap} | QUIET).list_topics(topic, timeout=5)

    def send(self, entries: int, *, keys: int = 40) -> None:
        """Append *entries* to the log, a one for each of *keys* in turn."""
        for number in range(entries):
            key = b"key-%d" % (number % keys)
            partition = self._partition_of.setdefault(key, len(self._partition_of) % PARTITIONS)
            self._producer.produce(LOG, key=key, value=pack(1), partition=partition)
            self.sent[key] += 1
        self._producer.flush()

    def append(self, topic: str, partition: int, key: bytes, value: bytes) -> None:
        """Append one record."""
        self._producer.produce(topic, key=key, value=value, partition=partition)
        self._producer.flush()

    def committed(self) -> int:
        """How many entries the group has committed."""
        tps = [TopicPartition(LOG, partition) for partition in range(PARTITIONS)]
        return sum(max(tp.offset, 0) for tp in self._consumer.committed(tps, timeout=5))

    def all_committed(self) -> bool:
        """Whether the group has committed all that was sent."""
        return self.committed() == self.sent.total()

    def read(self, topic: str) -> list[tuple[bytes, bytes]]:
        """Keys and values of a topic, each partition from its beginning to its end."""
        tps = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
        end = sum(self._consumer.get_watermark_offsets(tp, timeout=5)[1] for tp in tps)
        self._consumer.assign(tps)
        records: list[tuple[bytes, bytes]] = []
        while len(records) < end:
            batch = self._consumer.consume(end - len(records), timeout=1)
            for message in batch:
                if not message.error():
                    key, value = message.key(), message.value()
                    assert key is not None
                    assert value is not None
                    records.append((key, value))
        return records


@pytest.fixture
def kafka(broker: str) -> Kafka:
    """A broker with the toy's topics."""
    return Kafka(broker)


@contextmanager
def worker(kafka: Kafka, *, slow_seconds: float = 0.0) -> Iterator[subprocess.Popen[str]]:
    """A worker process that is gone afterwards."""
    script = Path(__file__).with_name("lane_toy.py")
    process = subprocess.Popen(
        [sys.executable, script, kafka.bootstrap],
        env=os.environ | {"SLOW_SECONDS": str(slow_seconds)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait for *condition*, and fail if it does not come."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come to that in time"
        time.sleep(0.05)


def ended_with(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, once there is one, and what was said."""
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def assert_exact(kafka: Kafka) -> None:
    """
    The newest state of each key is what was sent; each total up to it was put out, in order but for repeats.

    The newest record of a key is all that compaction would leave of it.
    """
    newest = {key: unpack(value) for key, value in kafka.read(CHANGELOG) if key != PARTITION_RECORD}
    assert newest == dict(kafka.sent)
    outputs = defaultdict(list)
    for key, value in kafka.read(OUTPUT):
        outputs[key].append(unpack(value))
    first_seen = {key: list(dict.fromkeys(totals)) for key, totals in outputs.items()}
    assert first_seen == {key: list(range(1, total + 1)) for key, total in kafka.sent.items()}


def test_totals_are_exact_across_a_kill_and_a_late_writer(kafka: Kafka) -> None:
    """
    A worker dies between outputs and state; its successor is written over by somebody who had lost the
    partition.

    The kill repeats outputs and loses nothing. The late write is noticed at the next append, and the restart
    keeps the higher positions and writes them again.
    """
    with worker(kafka, slow_seconds=0.2) as first:
        kafka.send(4_000)
        wait_until(lambda: kafka.committed() > 0)
        kafka.send(4_000)
        first.kill()
        first.wait()

    with worker(kafka) as second:
        kafka.send(2_000)
        wait_until(kafka.all_committed)
        assert_exact(kafka)

        kafka.append(CHANGELOG, 0, b"key-0", state(1, 1))
        kafka.send(400)
        code, said = ended_with(second)
        assert code == Exit.FOREIGN_APPEND
        assert f"{CHANGELOG}[0]" in said

    with worker(kafka) as third:
        wait_until(kafka.all_committed)
        kafka.send(40)
        wait_until(kafka.all_committed)
        third.send_signal(signal.SIGTERM)

        assert ended_with(third)[0] == 0
    assert_exact(kafka)


def test_a_worker_stops_in_order_and_its_successor_repeats_nothing(kafka: Kafka) -> None:
    """On SIGTERM what is in flight is finished and committed, and the group is left at once."""
    with worker(kafka, slow_seconds=0.2) as first:
        kafka.send(2_000)
        wait_until(lambda: kafka.committed() > 0)
        kafka.send(2_000)
        asked_at = time.monotonic()
        first.send_signal(signal.SIGTERM)
        code, said = ended_with(first)

        assert code == 0
        assert time.monotonic() - asked_at < 20
        assert "Traceback" not in said
        assert "Task was destroyed" not in said

    with worker(kafka) as second:
        wait_until(kafka.all_committed)
        assert len(kafka.read(OUTPUT)) == kafka.sent.total()

        kafka.append(LOG, 3, b"key-3", NOBODY_CAN_ADD)
        code, said = ended_with(second)
        assert code == Exit.CRASH
        assert "an entry nobody can add" in said
    assert kafka.all_committed()  # the entry that crashed the agent is not: a restart repeats it
    assert_exact(kafka)


def test_a_frozen_worker_writes_nothing_when_it_wakes_up(kafka: Kafka) -> None:
    """
    Its partitions may be somebody else's by then: the batch in its hands must not leave.

        |-- outputs --|-- frozen, longer than the session --|-- state? no: the lease has run out
    """
    # Long enough for us to see the outputs and freeze it before the state, on a machine that is busy too.
    with worker(kafka, slow_seconds=20.0) as frozen:
        kafka.send(400)
        wait_until(lambda: bool(kafka.read(OUTPUT)))
        frozen.send_signal(signal.SIGSTOP)
        written = len(kafka.read(CHANGELOG))
        time.sleep(SESSION_SECONDS)
        frozen.send_signal(signal.SIGCONT)
        code, said = ended_with(frozen)

        assert code in {Exit.LEASE, Exit.DRAIN}
        assert "telltale: stopped" in said
        assert len(kafka.read(CHANGELOG)) == written
