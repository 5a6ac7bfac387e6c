"""Records: reading a topic to its present end, appending, and how far a group has come."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public by its documentation, not by __all__
    AdminClient,
    OffsetSpec,
)

from pipeline.kafka.client import (
    REQUEST_SECONDS,
    Configuration,
    KafkaFailed,
    failing,
    is_passing,
    producer_configuration,
)

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

_READ_IDLE_SECONDS: Final = 30.0

# The library names its own codes, as against the broker's, with an underscore.
_PARTITION_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
_POSITION_NOT_THERE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001


class Record(NamedTuple):
    """One record as it stands in a topic; *timestamp* is Kafka's, ms UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def partitions_of(client: Configuration, topic: str) -> list[int]:
    """Numbers of the topic's partitions; raises KafkaFailed if there is no such topic."""
    return [partition.partition for partition in _partitions(client, [topic])]


def _partitions(client: Configuration, topics: Sequence[str]) -> list[TopicPartition]:
    with failing(client):
        # Of all topics, since brokers may make one that is asked for by name.
        known = AdminClient(client).list_topics(timeout=REQUEST_SECONDS).topics
    for topic in topics:
        if topic not in known:
            raise KafkaFailed(f"there is no topic {topic}", hint="Run `telltale topics apply`.")
    return [TopicPartition(topic, number) for topic in topics for number in sorted(known[topic].partitions)]


def offsets(client: Configuration, topics: Sequence[str]) -> dict[tuple[str, int], tuple[int, int]]:
    """First and next offset of every partition of *topics*; waits where the broker's error passes."""
    partitions = _partitions(client, topics)
    deadline = time.monotonic() + REQUEST_SECONDS
    with failing(client):
        admin = AdminClient(client)

        def ask(which: OffsetSpec) -> dict[tuple[str, int], int]:
            while True:
                answers = admin.list_offsets(
                    dict.fromkeys(partitions, which), request_timeout=REQUEST_SECONDS
                )
                try:
                    return {
                        (tp.topic, tp.partition): answer.result().offset for tp, answer in answers.items()
                    }
                except KafkaException as error:
                    # As of partitions that were made a moment ago, or go from one broker to another.
                    if not is_passing(error.args[0]) or time.monotonic() > deadline:
                        raise
                time.sleep(0.1)

        first = ask(OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        following = ask(OffsetSpec.latest())  # type: ignore[no-untyped-call]
    return {tp: (first[tp], following[tp]) for tp in first}


def read_topic(
    client: Configuration,
    topic: str,
    *,
    start: Mapping[int, int] | None = None,
    newest: int | None = None,
) -> Iterator[Record]:
    """
    Every record that is in *topic* now, partition by partition in order, the partitions mixed; no group is
    involved.

    *start* gives the first offset by partition, and restricts the reading to the partitions it names.
    *newest* leaves out all but that many offsets at each partition's end.
    """
    left: dict[int, int] = {}
    assigned = []
    for (_, number), (first, end) in offsets(client, [topic]).items():
        wanted = first if start is None else start.get(number, end)
        begin = max(first, wanted, 0 if newest is None else end - newest)
        if begin < end:
            left[number] = end
            assigned.append(TopicPartition(topic, number, begin))
    yield from _read(client, assigned, left)


def _read(client: Configuration, assigned: list[TopicPartition], left: dict[int, int]) -> Iterator[Record]:
    """Read from where *assigned* says up to the offsets in *left*, which empties."""
    consumer = Consumer(
        {
            **client,
            "group.id": "telltale-read",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # Any other word here would step over what retention removes meanwhile.
            "auto.offset.reset": "error",
        }
    )
    with failing(client), closing(consumer):
        consumer.assign(assigned)
        heard_at, trouble = time.monotonic(), ""
        while left:
            # Waits for so many messages or so long, whatever has come by then.
            messages: list[Any] = consumer.consume(1000, timeout=0.05)
            passing = [message for message in messages if _is_passing(message)]
            if passing:
                trouble = f": {passing[-1].error().str()}"
            if len(passing) == len(messages) and time.monotonic() > heard_at + _READ_IDLE_SECONDS:
                raise KafkaFailed(
                    f"{assigned[0].topic}: no record for {_READ_IDLE_SECONDS:.0f} s, {len(left)} partitions "
                    f"unread{trouble}"
                )
            for message in messages:
                number, offset, error = message.partition(), message.offset(), message.error()
                if error is None and offset < left.get(number, 0):
                    yield _record(message)
                elif error is not None and is_passing(error):
                    continue  # The client tries again at the same offset.
                elif error is not None and error.code() != _PARTITION_EOF:
                    raise _failure(message, error)
                # A partition's end is told too, since compaction or a marker may have taken its last offsets.
                if offset + (error is None) >= left.get(number, 0):
                    left.pop(number, None)
            if len(passing) < len(
                messages
            ):  # and after them: whoever takes the records may take time over each
                heard_at = time.monotonic()


def _is_passing(message: Any) -> bool:
    error = message.error()
    return error is not None and is_passing(error)


def _failure(message: Any, error: KafkaError) -> Exception:
    if error.code() == _POSITION_NOT_THERE:
        return KafkaFailed(
            f"{message.topic()}[{message.partition()}]: retention removed records while they were read",
            hint="Try again.",
        )
    return KafkaException(error)


def follow_topic(client: Configuration, topic: str, stopped: Callable[[], bool]) -> Iterator[Record]:
    """Every record appended to *topic* from now on, as it comes, until *stopped*; no group is involved."""
    assigned = [
        TopicPartition(topic, number, end) for (_, number), (_, end) in offsets(client, [topic]).items()
    ]
    consumer = Consumer(
        {**client, "group.id": "telltale-follow", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    )
    with failing(client), closing(consumer):
        consumer.assign(assigned)
        while not stopped():
            message = consumer.poll(0.1)
            if message is None or _is_passing(message):
                continue
            error = message.error()
            if error is not None:
                raise KafkaException(error)
            yield _record(message)


def _record(message: Any) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),
    )


class Appender:
    """
    Appends records and loses none: a delivery that fails raises KafkaFailed at the next call, and ends the
    rest.

    A with-block waits at its end until the brokers have acknowledged everything; one left by an exception
    does not. *on_delivery* is told of each acknowledged record: topic, partition, offset, and bytes of key
    and value.
    """

    def __init__(
        self, client: Configuration, on_delivery: Callable[[str, int, int, int], None] | None = None
    ) -> None:
        self._client = client
        self._on_delivery = on_delivery
        self._producer = Producer(producer_configuration(client))
        self._failure: KafkaError | None = None

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
    ) -> None:
        """Hand a record over; without *partition* its key decides. Waits while the client's queue is full."""
        placed: dict[str, Any] = {} if partition is None else {"partition": partition}
        while True:
            self._check()
            try:
                self._producer.produce(
                    topic, value, key, headers=list(headers), on_delivery=self._delivered, **placed
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._failure = error.args[0]
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Wait until everything is acknowledged."""
        while self._producer.flush(1.0):
            self._check()
        self._check()

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        self._failure = self._failure or error
        if error is None and self._on_delivery is not None:
            size = len(message.key() or b"") + len(message.value() or b"")
            self._on_delivery(message.topic(), message.partition(), message.offset(), size)

    def _check(self) -> None:
        if self._failure is not None:
            raise KafkaFailed(
                f"Kafka at {self._client['bootstrap.servers']} did not take a record: {self._failure.str()}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
        else:
            self._producer.purge()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """How far a group has come in one partition; *committed* is None where it never committed."""

    topic: str
    partition: int
    first: int
    """Offset of the oldest record that is still there; one committed before it has lost what lay between."""
    committed: int | None
    end: int
    records: int
    """Not yet read; what was deleted before the group came counts as read."""


def group_lag(client: Configuration, group: str, topics: Sequence[str]) -> list[PartitionLag]:
    """The lag of *group* in every partition of *topics*; looking does not make us a member."""
    spans = offsets(client, topics)
    consumer = Consumer({**client, "group.id": group, "enable.auto.commit": False})
    with failing(client), closing(consumer):
        asked = [TopicPartition(topic, partition) for topic, partition in spans]
        answers = consumer.committed(asked, timeout=REQUEST_SECONDS)
    lags = []
    for answer in answers:
        if answer.error is not None:
            raise KafkaFailed(f"{answer.topic}[{answer.partition}]: {answer.error.str()}")
        first, end = spans[answer.topic, answer.partition]
        committed = answer.offset if answer.offset >= 0 else None
        lags.append(
            PartitionLag(
                topic=answer.topic,
                partition=answer.partition,
                first=first,
                committed=committed,
                end=end,
                records=max(0, end - max(first, committed or 0)),
            )
        )
    return lags


def commit(client: Configuration, group: str, positions: Mapping[tuple[str, int], int]) -> None:
    """Set where *group* reads on, by topic and partition; none of its members may be reading."""
    consumer = Consumer({**client, "group.id": group, "enable.auto.commit": False})
    offsets_to_set = [TopicPartition(topic, number, offset) for (topic, number), offset in positions.items()]
    with failing(client), closing(consumer):
        if offsets_to_set:
            consumer.commit(offsets=offsets_to_set, asynchronous=False)
