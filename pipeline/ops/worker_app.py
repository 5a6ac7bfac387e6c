"""The Faust app of a worker, as the settings want it: brokers, identity and consumer group."""

import ssl
from typing import Any

from agents.app import LaneApp, make_app
from pipeline.settings import Security, Settings


def worker_app(settings: Settings, name: str) -> LaneApp:
    """The app whose consumer group is *name* behind the prefix of the topics; it connects when started."""
    return make_app(
        settings.topic_prefix + name,
        brokers=settings.brokers,
        partitions=settings.partitions,
        session_seconds=settings.session_seconds,
        security=_security(settings.security),
    )


def _security(security: Security) -> dict[str, Any] | None:
    """The identity in the words of ``make_app``; None for plaintext."""
    if security.protocol == "PLAINTEXT":
        return None
    words: dict[str, Any] = {}
    if security.protocol.endswith("SSL"):
        words["ssl_context"] = ssl.create_default_context(cafile=security.ca_file)
    if security.protocol.startswith("SASL"):
        words |= {
            "mechanism": security.mechanism,
            "username": security.username,
            "password": security.password.get_secret_value(),
        }
    return words
