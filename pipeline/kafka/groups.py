"""Who reads as a group."""

from typing import Final

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from pipeline.kafka.client import REQUEST_SECONDS, Configuration, failing, is_embedded

_NOBODY: Final = frozenset({ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD})


def may_have_members(client: Configuration, group: str) -> bool:
    """Whether *group* has members; one that died counts for its session. The embedded broker does not tell: True."""
    if is_embedded(client):
        return True
    with failing(client):
        admin = AdminClient(client)  # Named: one that is collected takes its answers along.
        described = admin.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)
        return described[group].result().state not in _NOBODY
