"""How to get in: one configuration for every client, and waiting until somebody is there."""

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


class KafkaFailed(TelltaleError):  # noqa: N818 - reads as what happened
    """The broker refused a request or did not answer it."""


class BrokerUnreachable(KafkaFailed):
    """No broker answers, or none lets us in."""


def client_configuration(brokers: str, security: Security) -> Configuration:
    """What every client needs to get in: *brokers* is ``host:port,host:port``."""
    return {
        "bootstrap.servers": brokers,
        "log_level": 0,  # What goes wrong reaches people as an exception with a way out.
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
    """Whether the broker is librdkafka's mock cluster: it has no admin requests, and a limit of 5 MB a partition."""
    with failing(client):
        cluster_id = AdminClient(client).list_topics(timeout=REQUEST_SECONDS).cluster_id
    return str(cluster_id).startswith("mockCluster")
