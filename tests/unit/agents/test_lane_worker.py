"""Around an app: what a flood of warnings becomes, and who an app says it is to the broker."""

import logging
import ssl

import pytest
from faust import SASLCredentials, SSLCredentials
from faust.types.auth import SASLMechanism

from agents.app import make_app
from agents.worker import limit_repeats


def test_of_many_warnings_with_one_text_the_first_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A broker that is down makes a client say the same some hundred times a second."""
    limit_repeats("chatty", seconds=60)

    for node in range(500):
        logging.getLogger("chatty.conn").warning("no connection to node %d", node)

    assert caplog.messages == ["no connection to node 0"]


def test_what_was_left_out_is_counted_with_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody should take one line for one failure."""
    limit_repeats("talkative", seconds=0.05)
    logger = logging.getLogger("talkative")
    for node in range(4):
        logger.warning("no connection to node %d", node)

    late = logging.makeLogRecord(
        {"name": "talkative", "levelno": logging.WARNING, "msg": "no connection to node %d"}
    )
    late.args = (9,)
    late.created += 1
    logger.handle(late)

    assert caplog.messages == ["no connection to node 0", "no connection to node 9 (and 3 more like it)"]


def test_different_warnings_and_ordinary_lines_pass(caplog: pytest.LogCaptureFixture) -> None:
    """Only repeats are left out."""
    caplog.set_level(logging.INFO)
    limit_repeats("quiet", seconds=60)
    limit_repeats("quiet", seconds=60)  # calling it again changes nothing
    logger = logging.getLogger("quiet")

    for line in ("joined", "joined"):
        logger.info(line)
    logger.warning("no leader")
    logger.warning("no coordinator")

    assert caplog.messages == ["joined", "joined", "no leader", "no coordinator"]


def test_without_security_the_app_talks_plaintext() -> None:
    """The embedded broker and a broker on the same machine."""
    assert make_app("app", brokers="a:1", partitions=4).conf.broker_credentials is None


def test_an_ssl_context_alone_is_tls() -> None:
    """Client certificates are part of the context."""
    context = ssl.create_default_context()

    credentials = make_app(
        "app", brokers="a:1", partitions=4, security={"ssl_context": context}
    ).conf.broker_credentials

    assert isinstance(credentials, SSLCredentials)
    assert credentials.context is context


def test_a_user_name_is_sasl_over_tls_if_there_is_a_context() -> None:
    """Mechanism as Kafka names it."""
    security = {
        "username": "telltale",
        "password": "secret",
        "mechanism": "SCRAM-SHA-512",
        "ssl_context": ssl.create_default_context(),
    }

    credentials = make_app("app", brokers="a:1", partitions=4, security=security).conf.broker_credentials

    assert isinstance(credentials, SASLCredentials)
    assert (credentials.username, credentials.mechanism) == ("telltale", SASLMechanism.SCRAM_SHA_512)
    assert credentials.protocol.value == "SASL_SSL"
    assert "secret" not in repr(credentials)


def test_all_brokers_of_the_list_are_asked() -> None:
    """One of them may be down at the start."""
    app = make_app("app", brokers="a:1, b:2", partitions=4)

    assert [(url.host, url.port) for url in app.conf.broker_consumer] == [("a", 1), ("b", 2)]


def test_two_apps_in_one_process_share_nothing() -> None:
    """Settings, lease and transport are per app; only logging belongs to the process."""
    one = make_app("one", brokers="a:1", partitions=4, session_seconds=10)
    other = make_app("other", brokers="a:1", partitions=4)

    assert (one.lane.lease.seconds, other.lane.lease.seconds) == (9.0, 18.0)
    assert one.lane is not other.lane


def test_a_worker_that_has_not_started_is_not_ready() -> None:
    """The probe is asked from the first moment on, from another thread."""
    ready, reason = make_app("app", brokers="a:1", partitions=4).readiness()

    assert not ready
    assert reason == "waits for a broker, or is being prepared"
