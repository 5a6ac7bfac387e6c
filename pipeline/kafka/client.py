"""How to get in: one configuration for every client, and waiting until somebody is there."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.errors import TelltaleError
from pipeline.settings import Security

Configuration: TypeAlias = dict[str, Any]
"""librdkafka's settings, by its names."""

REQUEST_SECONDS: Final = 30.0
"""How long a broker may take for one answer."""

WAIT_SECONDS: Final = 60.0
"""How long a command waits for a broker that does not answer: long enough for one that is being restarted."""


_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+)(:(?P<port>[0-9]{1,5}))?")
_LAST_PORT: Final = 65_535

_PASSING: Final = frozenset(
    {
        # By the protocol's own table these may be tried again: brokers start, move partitions, or lose one
        # another.
        KafkaError.INVALID_MSG,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_CONTROLLER,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FETCH_SESSION_ID_NOT_FOUND,
        KafkaError.INVALID_FETCH_SESSION_EPOCH,
        KafkaError.LISTENER_NOT_FOUND,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        100,  # UNKNOWN_TOPIC_ID and
        103,  # INCONSISTENT_TOPIC_ID: a broker's metadata are old; the client's constants do not name them
        # Not in that table, and yet: what a broker answers while a disk or another broker fails it.
        KafkaError.UNKNOWN,
        KafkaError.BROKER_NOT_AVAILABLE,
        # The member joins its group again by itself.
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        # The client's own, which begin with an underscore: no connection, or no answer in time.
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
    }
)


class KafkaFailed(TelltaleError):  # noqa: N818 - reads as what happened
    """The broker refused a request or did not answer it."""


class BrokerUnreachable(KafkaFailed):
    """No broker answers, or none lets us in."""


class InvalidBrokers(TelltaleError):  # noqa: N818 - reads as what happened
    """The list of brokers has something that is no address, so that a client would wait for it in vain."""


def client_configuration(brokers: str, security: Security) -> Configuration:
    """What every client needs to get in: *brokers* is ``host:port,host:port``; raises InvalidBrokers."""
    for address in filter(None, map(str.strip, brokers.split(","))):
        found = _ADDRESS.fullmatch(address)
        if found is None or not 1 <= int(found["port"] or 1) <= _LAST_PORT:
            raise InvalidBrokers(
                f'"{address}" is no address of a broker',
                hint="Write host:port, several separated by commas, an IPv6 address in brackets: [::1]:9092.",
            )
    return {
        "bootstrap.servers": brokers,
        "log_level": 0,  # What goes wrong reaches people as an exception with a hint.
        **security_configuration(security),
    }


def security_configuration(security: Security) -> Configuration:
    """The part of a client's configuration that says who it is and whom it trusts."""
    configuration: Configuration = {"security.protocol": security.protocol}
    if security.protocol.startswith("SASL"):
        configuration |= {
            "sasl.mechanism": security.mechanism,
            "sasl.username": security.username,
            "sasl.password": security.password.get_secret_value(),
        }
    if security.ca_file is not None:
        configuration["ssl.ca.location"] = str(security.ca_file)
    return configuration


def producer_configuration(client: Configuration) -> Configuration:
    """A producer as the contract wants it: every reader finds an account in one partition, once, in order."""
    return {
        **client,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,  # A batch that fails stops all that follow it.
        "acks": "all",
        "linger.ms": 20,
        "message.timeout.ms": 60_000,
    }


@contextmanager
def failing(client: Configuration) -> Iterator[None]:
    """Turn a client's exception into KafkaFailed, which names the brokers."""
    try:
        yield
    except KafkaException as error:
        raise KafkaFailed(f"Kafka at {client['bootstrap.servers']}: {error.args[0].str()}") from error


def is_passing(error: KafkaError) -> bool:
    """
    Whether trying again may help, so that a reader waits and stays where it is.

    ``KafkaError.retriable()`` does not say: it is false for all errors that a message or an answer carries.
    What is not known to pass does not: a refused right, a batch that the client would step over, a fatal
    state of the client.
    """
    return error.code() in _PASSING and not error.fatal()


def wait_for_broker(
    client: Configuration,
    *,
    timeout_seconds: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """
    Return as soon as a broker answers; raises BrokerUnreachable after *timeout_seconds* (``WAIT_SECONDS``).

    *say* gets one line at the first failure, so that nobody watches a silent program.
    """
    seconds = WAIT_SECONDS if timeout_seconds is None else timeout_seconds
    complaints: list[KafkaError] = []
    watched: Configuration = {**client, "error_cb": complaints.append}
    admin = AdminClient(watched)
    deadline, pause = time.monotonic() + seconds, 0.25
    while True:
        try:
            admin.list_topics(timeout=min(5.0, seconds))
        except KafkaException as error:
            admin.poll(0)  # Hands over the complaints.
            # The exception says that time ran out; the client's complaint says why.
            reason = (complaints or [error.args[0]])[-1].str()
        else:
            return
        if pause == 0.25:
            say(f"waiting for Kafka at {client['bootstrap.servers']}: {reason}")
        if time.monotonic() + pause > deadline:
            raise BrokerUnreachable(
                f"no Kafka broker answers at {client['bootstrap.servers']} after {seconds:.0f} s: {reason}",
                hint="Start it, or correct TELLTALE_BROKERS and TELLTALE_SECURITY__*.",
            )
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def is_embedded(client: Configuration) -> bool:
    """
    Whether the broker is librdkafka's mock cluster: it has no admin requests, and a limit of 5 MB a
    partition.
    """
    with failing(client):
        cluster_id = AdminClient(client).list_topics(timeout=REQUEST_SECONDS).cluster_id
    return str(cluster_id).startswith("mockCluster")
