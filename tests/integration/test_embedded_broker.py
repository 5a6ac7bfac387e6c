"""The embedded broker is one to its clients, within the limits that its module tells."""

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.embedded.broker import BYTES_KEPT_PER_PARTITION, PARTITIONS_PER_TOPIC, EmbeddedBroker


def test_what_is_produced_is_consumed_in_order(broker: str) -> None:
    """Key, value and headers come back, in the order of one key."""
    producer = Producer({"bootstrap.servers": broker, "enable.idempotence": True})
    for number in range(100):
        producer.produce("topic", key=b"key", value=b"%d" % number, headers={"number": b"%d" % number})
    assert producer.flush(10) == 0

    consumer = Consumer({"bootstrap.servers": broker, "group.id": "readers", "auto.offset.reset": "earliest"})
    consumer.subscribe(["topic"])
    messages: list[Message] = []
    while len(messages) < 100:
        messages += consumer.consume(100 - len(messages), timeout=20)
    consumer.close()

    assert [message.value() for message in messages] == [b"%d" % number for number in range(100)]
    assert [message.headers() for message in messages] == [
        [("number", b"%d" % number)] for number in range(100)
    ]


def test_topics_exist_once_they_are_asked_for() -> None:
    """
    A reader that comes before the writer finds the topic, with the number of partitions that is promised.
    """
    with EmbeddedBroker() as broker:
        broker.create_topics(["first", "second"])

        topics = AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10).topics

    assert {name: len(topic.partitions) for name, topic in topics.items()} == {
        "first": PARTITIONS_PER_TOPIC,
        "second": PARTITIONS_PER_TOPIC,
    }


def test_a_partition_keeps_the_newest_five_megabytes(broker: str) -> None:
    """The limit that pacing rests on: just below it nothing is lost, above it the oldest goes."""
    size = 10_000
    fits = BYTES_KEPT_PER_PARTITION // size - 20  # What Kafka adds to each batch counts too.
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0, "batch.num.messages": 1})
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "readers"})

    def oldest_after(count: int) -> int:
        for _ in range(count):
            producer.produce("topic", value=bytes(size), partition=0)
        assert producer.flush(20) == 0
        oldest, _ = consumer.get_watermark_offsets(TopicPartition("topic", 0), timeout=10)
        return int(oldest)

    assert oldest_after(fits) == 0
    assert oldest_after(40) > 0
    consumer.close()


def test_a_stopped_broker_forgets_and_can_be_started_again() -> None:
    """Nothing is kept for the next demo."""
    broker = EmbeddedBroker()
    with broker:
        broker.create_topics(["topic"])
    assert not broker.running

    with broker:
        assert broker.running
        assert AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10).topics == {}
