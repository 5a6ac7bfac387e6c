"""Whether a Kafka broker answers."""

from collections.abc import Iterator
from typing import Final

from pipeline.kafka.client import is_embedded, wait_for_broker
from pipeline.ops.checks.check import Finding, NotSet, Site

_BROKER_SECONDS: Final = 5.0


def check_broker(site: Site) -> Iterator[Finding]:
    """Tell whether a broker answers, and of which kind it is."""
    if not site.settings.brokers:
        raise NotSet("TELLTALE_BROKERS is not set", hint="Set it to host:port of a Kafka broker.")
    wait_for_broker(site.client, timeout_seconds=_BROKER_SECONDS)
    kind = "embedded, in memory" if is_embedded(site.client) else "Apache Kafka's protocol"
    yield Finding(check="broker", state="ok", says=f"{site.settings.brokers}, {kind}")
