"""Who reads as a group."""

from confluent_kafka.admin import AdminClient

from pipeline.kafka.client import REQUEST_SECONDS, Configuration, failing, is_embedded


def member_count(client: Configuration, group: str) -> int | None:
    """
    How many members *group* has; one that died counts for its session. None: the embedded broker does not
    tell.
    """
    if is_embedded(client):
        return None
    with failing(client):
        admin = AdminClient(client)  # Named: one that is collected takes its answers along.
        described = admin.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)
        return len(described[group].result().members)


def may_have_members(client: Configuration, group: str) -> bool:
    """Whether *group* has members, or the broker does not tell."""
    return member_count(client, group) != 0
