"""
One member of a consumer group that reads from where it is told to, whatever the group has committed.

Offsets committed to Kafka are for lag dashboards and are never read. What a record means is not known here.

    TelltaleError
    ├── StartUnknown          the broker did not say where a partition starts; reading may begin again
    └── SinkStopped (sinks.target)
        └── PositionLost      the topic no longer, or not yet, has the offset the target wants next
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from pipeline.errors import TelltaleError
from pipeline.kafka.client import Configuration, KafkaFailed, is_passing
from pipeline.kafka.topics import topic_ids
from sinks.target import Partition, Record, SinkStopped

MOST_RECORDS: Final = 2_000
"""Records of one batch; so many come only when the sink is behind, and then large batches are fast ones."""

LINGER_SECONDS: Final = 0.02
"""
How long a batch waits after its first record: one event's change, snapshot and alert become one transaction.
"""

_IDLE_SECONDS: Final = 0.2
_ADMIN_SECONDS: Final = 5.0
_FAILING_SECONDS: Final = 5.0
"""How long an error counts; the client tries again twice a second, and tells each error but no success."""

# The library names its own codes, as against the broker's, with an underscore.
_POSITION_NOT_THERE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001
_NO_BROKER: Final = KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001

_log = structlog.get_logger(__name__)


class StartUnknown(TelltaleError):  # noqa: N818 - reads as what happened
    """
    The broker did not say at which offset a partition starts, and the client reads nothing of it any more.
    """


class PositionLost(SinkStopped):
    """
    Records between what is stored and what the topic still has are gone, or the topic is shorter than that.
    """


class TopicReader:
    """
    Reads *topics* as a member of *group*; constructing connects to nothing.

    *security* are librdkafka's own settings of that kind. A member that is silent for *session_seconds*
    counts as dead and its partitions go to others. *on_assigned* gets the partitions that are ours from now
    on, *on_revoked* hears that none is any more; both are called in ``batch``, and nothing is fetched until
    ``read_from``. *way_back* is the target's, for ``PositionLost``.
    """

    def __init__(
        self,
        *,
        brokers: str,
        group: str,
        topics: Sequence[str],
        security: Mapping[str, str],
        session_seconds: float,
        on_assigned: Callable[[list[Partition]], None],
        on_revoked: Callable[[], None],
        way_back: Callable[[str], str],
    ) -> None:
        self._brokers = brokers
        self._group = group
        self._topics = list(topics)
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._way_back = way_back
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
                # One account's partitions of all topics to one member.
                "partition.assignment.strategy": "range",
                # A position the topic does not have is a loss. Any other word here would step over it in
                # silence.
                "auto.offset.reset": "error",
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": 1000,  # Who waits for the lag to be 0 waits no longer than that.
                "topic.metadata.refresh.interval.ms": 10_000,
                # The embedded broker answers an empty fetch when this ends, not when a record comes: 0.29 s
                # against 0.07 s (median) from a record to its row. A real broker answers at once and does not
                # mind.
                "fetch.wait.max.ms": 50,
                "error_cb": self._on_client_error,
            }
        )
        self._ours: list[Partition] = []
        self._fetching = False
        self._client_error = ""
        self._failure = ""
        self._failed_at = -math.inf
        self.broker_away = ""
        """Why no broker answers, as a sentence; empty while one does."""

    def open(self) -> None:
        """Join the group; ``batch`` has to be called from now on."""
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked)

    def trouble(self) -> str:
        """Why nothing can be read at present, as a sentence; empty if nothing is known to be in the way."""
        recently = time.monotonic() < self._failed_at + _FAILING_SECONDS
        return self.broker_away or (self._failure if recently else "")

    def close(self) -> None:
        """Commit what was noted as stored, and leave the group."""
        self._consumer.close()

    def batch(self) -> list[Record]:
        """
        Up to ``MOST_RECORDS`` that have arrived, or arrive a little while after the first; often none.

        May raise ``StartUnknown``, ``PositionLost``, or ``KafkaFailed`` for what trying again does not mend.
        """
        batch: list[Record] = []
        patience = _IDLE_SECONDS
        last = 0.0
        while len(batch) < MOST_RECORDS:
            message = self._consumer.poll(patience)
            if message is None:
                self._look_for_broker()
                break
            error = message.error()
            if error is not None:
                self._face(error, message)
                break
            self._broker_back()
            batch.append(_record(message))
            last = last or time.monotonic() + LINGER_SECONDS
            patience = max(0.0, last - time.monotonic())
        # Partitions may have come and gone while the batch was filled.
        return batch if self._fetching else []

    def read_from(self, positions: Mapping[Partition, int]) -> None:
        """Fetch all that is ours from *positions*; 0 is the start, wherever retention has moved that to."""
        self._consumer.assign(
            [TopicPartition(*each, positions[each] or OFFSET_BEGINNING) for each in self._ours]
        )
        self._fetching = True

    def pause(self) -> None:
        """Stop fetching; to the group the partitions stay ours."""
        self._consumer.assign([])
        self._fetching = False

    def note_stored(self, batch: Iterable[Record]) -> None:
        """Have the offsets behind *batch* committed, for those who watch the group's lag."""
        following = {record.partition: record.offset + 1 for record in batch}
        self._consumer.store_offsets(
            offsets=[TopicPartition(*partition, offset) for partition, offset in following.items()]
        )

    def topic_ids(self) -> Mapping[str, str]:
        """The ids a broker gives its topics, by which one recreated is known; empty if it tells none."""
        try:
            return topic_ids(self._client, self._topics)
        except (KafkaFailed, KafkaException) as error:
            # Not allowed to ask, or no answer: the sink works without.
            _log.info("sink.topic_ids_unknown", reason=str(error))
            return {}

    def observe_lag(self) -> None:
        """Tell the metric how far each partition is read."""
        for at in self._consumer.position([TopicPartition(*each) for each in self._ours]):
            # Cached: what the last fetch was told. Below zero: nothing was fetched yet.
            _, high = self._consumer.get_watermark_offsets(at, cached=True)
            if at.offset >= 0 and high >= 0:
                labels = (self._group, at.topic, str(at.partition))
                metrics.LAG.labels(*labels).set(max(0, high - at.offset))

    # The three below run inside poll, in our own thread: no batch is being written meanwhile.

    def _assigned(self, _consumer: Consumer, partitions: Iterable[TopicPartition]) -> None:
        self._broker_back()
        self.pause()
        self._ours = sorted(Partition(each.topic, each.partition) for each in partitions)
        self._on_assigned(self._ours)

    def _revoked(self, _consumer: Consumer, _partitions: Iterable[TopicPartition]) -> None:
        for topic, number in self._ours:
            metrics.LAG.remove(self._group, topic, str(number))
        self._ours = []
        self._fetching = False
        self._on_revoked()

    def _on_client_error(self, error: KafkaError) -> None:
        if error.code() != _NO_BROKER:
            self._client_error = error.str()  # One connection; the client has others or makes a new one.
        elif not self.broker_away:
            self.broker_away = f"no broker answers: {self._client_error}"
            _log.warning("sink.broker_away", brokers=self._brokers, reason=self._client_error)

    def _look_for_broker(self) -> None:
        """Where no record tells that the broker is back, ask it."""
        if self.broker_away:
            try:
                self._consumer.list_topics(self._topics[0], timeout=_IDLE_SECONDS)
            except KafkaException:
                return
            self._broker_back()

    def _broker_back(self) -> None:
        if self.broker_away:
            self.broker_away = ""
            _log.info("sink.broker_back", brokers=self._brokers)

    def _face(self, error: KafkaError, message: Message) -> None:
        """Decide about what stands where a record should be: wait, or stop."""
        code = error.code()
        if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            _log.warning("sink.topic_missing", topic=message.topic(), hint="Run `telltale topics apply`.")
        elif code == _POSITION_NOT_THERE and message.offset() is None:
            raise StartUnknown(f"reading fails: {error.str()}")
        elif code == _POSITION_NOT_THERE:
            raise self._position_lost(message)
        elif is_passing(error):
            self._failed_at, self._failure = time.monotonic(), f"reading fails: {error.str()}"
            _log.warning("sink.read_failed", topic=message.topic(), reason=error.str())
        else:
            raise KafkaFailed(f"reading {message.topic() or 'the topics'}: {error.str()}")

    def _position_lost(self, message: Message) -> PositionLost:
        partition, offset = _place(message)
        try:
            ends = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ADMIN_SECONDS)
            has = "has {} to {}".format(*ends)
        except KafkaException:  # The position is lost all the same.
            has = "does not have it"
        return PositionLost(
            f"{partition} is stored up to offset {offset}, and the topic {has}: records between are "
            "gone, or the topic was recreated",
            hint=self._way_back(partition.topic),
        )


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
        # Always pairs of a name and bytes or None; the stubs also allow what a producer may be given.
        headers=tuple(message.headers() or ()),  # type: ignore[arg-type]
    )
