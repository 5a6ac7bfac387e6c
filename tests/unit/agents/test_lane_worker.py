"""Around an app: who it says it is to the broker, and what it shares with another."""

import ssl

from faust import SASLCredentials, SSLCredentials
from faust.types.auth import SASLMechanism

from agents.app import make_app


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


def test_the_topics_are_looked_at_more_often_than_people_would_notice() -> None:
    """
    A leader that knew no topics, for the broker had just been started, shares them out when it next looks.
    """
    conf = make_app("app", brokers="a:1", partitions=4).conf

    assert conf.consumer_metadata_max_age_ms <= 10_000
