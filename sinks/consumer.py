"""
Reads topics for a target that keeps its own positions, and hands it what has arrived.

The group only says who reads which partition. Where to read on says the target: after each assignment it is asked to
claim the partitions, and reading begins at the positions it gives. Whatever goes wrong between two batches, the way
back is that same one, so there is no second kind of start to get wrong. While the target is away nothing is fetched,
but the group is kept. The offsets committed to Kafka are for lag dashboards and are never read.

What a record means is not known here.

    SinkStopped (sinks.target)
    └── PositionLost      the topic no longer, or not yet, has the offset the target wants next
"""

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from pipeline import metrics
from pipeline.kafka.client import Configuration, KafkaFailed
from pipeline.kafka.topics import topic_ids
from sinks.target import Partition, Record, SinkStopped, Target, TargetAway

MOST_RECORDS: Final = 2_000
"""Records of one batch; so many come only when the sink is behind, and then large batches are fast ones."""

LINGER_SECONDS: Final = 0.02
"""How long a batch waits after its first record: one event's change, snapshot and alert become one transaction."""

_IDLE_SECONDS: Final = 0.2
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LAG_EVERY_SECONDS: Final = 1.0
_ADMIN_SECONDS: Final = 5.0

# The library names its own codes, as against the broker's, with an underscore.
_POSITION_NOT_THERE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
_NO_BROKER: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001
_POLLED_TOO_RARELY: Final = KafkaError._MAX_POLL_EXCEEDED  # noqa: SLF001 - the client joins again by itself

_log = structlog.get_logger(__name__)


class PositionLost(SinkStopped):
    """Records between what is stored and what the topic still has are gone, or the topic is shorter than that."""


class Readiness:
    """Whether the sink reads, for ``pipeline.metrics.serve``; asked from the server's thread."""

    def __init__(self) -> None:
        self._state: metrics.State = (False, "starting")

    def __call__(self) -> metrics.State:
        """The state and a sentence."""
        return self._state

    def tell(self, ready: bool, sentence: str) -> None:  # noqa: FBT001 - reads like the pair it makes
        """Replace the state."""
        self._state = (ready, sentence)


class SinkConsumer:
    """
    One member of *group* that reads *topics* and writes to *target*.

    *security* are librdkafka's own settings of that kind. A member that is silent for *session_seconds* counts as
    dead and its partitions go to others. Constructing connects to nothing; ``run`` does everything.
    """

    def __init__(
        self,
        target: Target,
        *,
        brokers: str,
        group: str,
        topics: Sequence[str],
        security: Mapping[str, str],
        session_seconds: float,
        readiness: Readiness,
    ) -> None:
        self._target = target
        self._group = group
        self._topics = list(topics)
        self._brokers = brokers
        self._readiness = readiness
        self._client: Configuration = {
            "bootstrap.servers": brokers,
            "log_level": 0,  # Its words come through error_cb, into our log; on stderr they would be no JSON.
            **security,
        }
        self._consumer = Consumer(
            {
                **self._client,
                "group.id": group,
                "session.timeout.ms": round(session_seconds * 1000),
                "heartbeat.interval.ms": round(session_seconds * 1000 / 6),
                "partition.assignment.strategy": "range",  # One account's partitions of all topics to one member.
                # A position the topic does not have is a loss. Any other word here would step over it in silence.
                "auto.offset.reset": "error",
                "enable.auto.offset.store": False,
                "topic.metadata.refresh.interval.ms": 10_000,
                # The embedded broker answers an empty fetch when this ends, not when a record comes: 0.29 s against
                # 0.07 s (median) from a record to its row. A real broker answers at once and does not mind.
                "fetch.wait.max.ms": 50,
                "error_cb": self._on_client_error,
            }
        )
        self._assigned: list[Partition] = []
        self._claimed = False
        self._reading = False
        self._batch: list[Record] = []
        self._client_error = ""
        self._broker_away = False
        self._pause = 0.0
        self._retry_at = 0.0
        self._lag_due = 0.0

    def run(self, stop: threading.Event) -> None:
        """Read and write until *stop* is set; raises ``SinkStopped`` or ``KafkaFailed`` for what it cannot mend."""
        self._consumer.subscribe(self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke)
        self._tell_state()
        _log.info("sink.started", group=self._group, topics=self._topics)
        try:
            while not stop.is_set():
                self._collect()
                self._act()
        finally:
            self._consumer.close()  # Revokes what is assigned, and commits.
            self._readiness.tell(False, "stopped")
            _log.info("sink.stopped", group=self._group)

    # The three below run inside poll, in our own thread: no batch is being written meanwhile.

    def _on_assign(self, _consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        self._broker_back()
        self._assigned = sorted(Partition(each.topic, each.partition) for each in partitions)
        self._claimed = False
        self._retry_at = 0.0
        self._let_go()
        _log.info("sink.assigned", group=self._group, partitions=len(self._assigned))

    def _on_revoke(self, _consumer: Consumer, _partitions: Iterable[TopicPartition]) -> None:
        self._forget_lag(self._assigned)
        self._assigned = []
        self._reading = False
        self._batch.clear()
        self._tell_state()

    def _on_client_error(self, error: KafkaError) -> None:
        if error.code() != _NO_BROKER:
            self._client_error = error.str()  # One connection; the client has others or makes a new one.
        elif not self._broker_away:
            self._broker_away = True
            self._readiness.tell(False, f"no broker answers: {self._client_error}")
            _log.warning("sink.broker_away", brokers=self._brokers, reason=self._client_error)

    def _collect(self) -> None:
        """Fill the batch with what arrives until it is full, or a little while after its first record."""
        self._batch.clear()
        patience = _IDLE_SECONDS
        last = 0.0
        while len(self._batch) < MOST_RECORDS:
            message = self._consumer.poll(patience)
            if message is None:
                self._look_for_broker()
                return
            error = message.error()
            if error is not None:
                self._face(error, message)
                return
            self._broker_back()
            self._batch.append(_record(message))
            last = last or time.monotonic() + LINGER_SECONDS
            patience = max(0.0, last - time.monotonic())

    def _act(self) -> None:
        try:
            if self._assigned and not self._reading:
                if time.monotonic() >= self._retry_at:
                    self._begin_reading()
            elif self._batch:
                self._write()
        except TargetAway as away:
            self._wait(away)
        if self._reading and time.monotonic() >= self._lag_due:
            self._lag_due = time.monotonic() + _LAG_EVERY_SECONDS
            self._observe_lag()

    def _begin_reading(self) -> None:
        if self._claimed:
            positions = self._target.positions()
        else:
            positions = self._target.claim(self._assigned, self._topic_ids())
            self._claimed = True
        self._consumer.assign(
            # Nothing read yet: from the start, wherever retention has moved that to.
            [TopicPartition(*each, positions[each] or OFFSET_BEGINNING) for each in self._assigned]
        )
        self._reading = True
        self._tell_state()
        _log.info("sink.reading", group=self._group, partitions=len(self._assigned))

    def _write(self) -> None:
        self._target.write(self._batch)
        self._pause = 0.0  # Not before: a target may answer and still refuse every write.
        following = {record.partition: record.offset + 1 for record in self._batch}
        self._consumer.store_offsets(
            offsets=[TopicPartition(*partition, offset) for partition, offset in following.items()]
        )

    def _wait(self, away: TargetAway) -> None:
        """Stop fetching, stay in the group, and try again a little later than last time."""
        self._let_go()
        self._pause = min(_LONGEST_PAUSE_SECONDS, self._pause * 2 or _FIRST_PAUSE_SECONDS)
        pause = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that sinks do not come back all at once
        self._retry_at = time.monotonic() + pause
        self._readiness.tell(False, str(away))
        _log.warning("sink.target_away", reason=str(away), retry_seconds=round(pause, 1))

    def _let_go(self) -> None:
        # Of the fetching only: to the group the partitions stay ours.
        self._consumer.assign([])
        self._reading = False
        self._batch.clear()

    def _face(self, error: KafkaError, message: Message) -> None:
        """Decide about what stands where a record should be: wait, or stop."""
        code = error.code()
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            _log.warning("sink.topic_missing", topic=message.topic(), hint="Run `telltale topics apply`.")
        elif code == _POSITION_NOT_THERE:
            raise self._position_lost(_place(message))
        elif code == _POLLED_TOO_RARELY or error.retriable():
            _log.warning("sink.read_failed", reason=error.str())
        else:
            raise KafkaFailed(f"reading {message.topic() or 'the topics'}: {error.str()}")

    def _position_lost(self, place: tuple[Partition, int]) -> PositionLost:
        partition, offset = place
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ADMIN_SECONDS)
        return PositionLost(
            f"{partition} is stored up to offset {offset}, and the topic has {low} to {high}: records between are "
            "gone, or the topic was made anew",
            hint=self._target.way_back(partition.topic),
        )

    def _topic_ids(self) -> Mapping[str, str]:
        """The ids a broker gives its topics, by which one made anew is known; empty if it tells none."""
        try:
            return topic_ids(self._client, sorted({partition.topic for partition in self._assigned}))
        except (KafkaFailed, KafkaException) as error:
            # Not allowed to ask, or no answer: the sink works without.
            _log.info("sink.topic_ids_unknown", reason=str(error))
            return {}

    def _look_for_broker(self) -> None:
        """Where no record tells that the broker is back, ask it."""
        if self._broker_away:
            try:
                self._consumer.list_topics(self._topics[0], timeout=_IDLE_SECONDS)
            except KafkaException:
                return
            self._broker_back()

    def _broker_back(self) -> None:
        if self._broker_away:
            self._broker_away = False
            self._tell_state()
            _log.info("sink.broker_back", brokers=self._brokers)

    def _tell_state(self) -> None:
        if self._reading:
            self._readiness.tell(True, f"reading {len(self._assigned)} partitions")
        else:
            self._readiness.tell(False, "claiming partitions" if self._assigned else "joining the group")

    def _observe_lag(self) -> None:
        for at in self._consumer.position([TopicPartition(*each) for each in self._assigned]):
            # Cached: what the last fetch was told. Below zero: nothing was fetched yet.
            _, high = self._consumer.get_watermark_offsets(at, cached=True)
            if at.offset >= 0 and high >= 0:
                labels = (self._group, at.topic, str(at.partition))
                metrics.LAG.labels(*labels).set(max(0, high - at.offset))

    def _forget_lag(self, partitions: Iterable[Partition]) -> None:
        for topic, number in partitions:
            metrics.LAG.remove(self._group, topic, str(number))


def _place(message: Message) -> tuple[Partition, int]:
    topic, number, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert number is not None
    assert offset is not None
    return Partition(topic, number), offset


def _record(message: Message) -> Record:
    partition, offset = _place(message)
    kind, timestamp = message.timestamp()
    return Record(
        partition=partition,
        offset=offset,
        timestamp=None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        key=message.key(),
        value=message.value(),
        # Always pairs of a name and bytes; the stubs also allow what a producer may be given.
        headers=dict(message.headers() or ()),  # type: ignore[arg-type]
    )
