"""Topics as planned: making those that are missing, and saying how the others differ."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public by its documentation, not by __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from pipeline.kafka.client import REQUEST_SECONDS, Configuration, KafkaFailed, failing, is_embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """
    A topic as it should be; *partitions* None is the broker's default, *settings* are Kafka's by its names.
    """

    name: str
    partitions: int | None
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFinding:
    """
    How one topic stands to its plan; *differences* has a clause for each setting that is not as planned.
    """

    name: str
    state: Literal["created", "present", "missing"]
    differences: tuple[str, ...] = ()
    has_other_partition_count: bool = False


def inspect_topics(client: Configuration, plans: Sequence[TopicPlan]) -> list[TopicFinding]:
    """
    Compare topics with their plans. Of the embedded broker's topics only the partitions can be compared.
    """
    with failing(client):
        admin = AdminClient(client)
        present = admin.list_topics(timeout=REQUEST_SECONDS).topics
        known = [plan for plan in plans if plan.name in present]
        actual = {} if is_embedded(client) else _describe(admin, known)
        return [
            TopicFinding(
                name=plan.name,
                state="present",
                differences=tuple(
                    _differences(plan, len(present[plan.name].partitions), actual.get(plan.name, {}))
                ),
                has_other_partition_count=plan.partitions not in {None, len(present[plan.name].partitions)},
            )
            if plan in known
            else TopicFinding(name=plan.name, state="missing")
            for plan in plans
        ]


def apply_topics(
    client: Configuration, plans: Sequence[TopicPlan], *, replication_factor: int = -1
) -> list[TopicFinding]:
    """
    Create what is missing and report how the others differ; nothing that exists is changed.

    The embedded broker makes a topic that is asked for by name, with four partitions and no settings.
    """
    missing = {finding.name for finding in inspect_topics(client, plans) if finding.state == "missing"}
    with failing(client):
        admin = AdminClient(client)
        if is_embedded(client):
            for name in missing:
                admin.list_topics(name, timeout=REQUEST_SECONDS)
        else:
            _create(admin, [plan for plan in plans if plan.name in missing], replication_factor)
    return [
        replace(finding, state="created") if finding.name in missing else finding
        for finding in _inspect_until_present(client, plans)
    ]


def _inspect_until_present(client: Configuration, plans: Sequence[TopicPlan]) -> list[TopicFinding]:
    # A created topic reaches the metadata of all brokers a moment later.
    deadline = time.monotonic() + REQUEST_SECONDS
    while True:
        findings = inspect_topics(client, plans)
        if all(finding.state == "present" for finding in findings) or time.monotonic() > deadline:
            return findings
        time.sleep(0.1)


def _create(admin: AdminClient, plans: Sequence[TopicPlan], replication_factor: int) -> None:
    if not plans:
        return
    wanted = [
        NewTopic(
            plan.name,
            num_partitions=-1 if plan.partitions is None else plan.partitions,
            replication_factor=replication_factor,
            config=dict(plan.settings),
        )
        for plan in plans
    ]
    for name, created in admin.create_topics(wanted, request_timeout=REQUEST_SECONDS).items():
        try:
            created.result()
        except KafkaException as error:
            fault = error.args[0]
            if fault.code() == KafkaError.TOPIC_ALREADY_EXISTS:  # Somebody else applied at the same moment.
                continue
            hint = "Set TELLTALE_REPLICATION_FACTOR to at most the number of brokers."
            raise KafkaFailed(
                f"topic {name} cannot be created: {fault.str()}",
                hint=hint if fault.code() == KafkaError.INVALID_REPLICATION_FACTOR else "",
            ) from error


def _describe(admin: AdminClient, plans: Sequence[TopicPlan]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, plan.name) for plan in plans]
    if not resources:
        return {}
    described = admin.describe_configs(resources, request_timeout=REQUEST_SECONDS)
    return {
        resource.name: {name: entry.value for name, entry in answer.result().items()}
        for resource, answer in described.items()
    }


def _differences(plan: TopicPlan, partitions: int, actual: Mapping[str, str]) -> Iterator[str]:
    if plan.partitions not in {None, partitions}:
        yield f"{partitions} partitions, not {plan.partitions}"
    for name, value in plan.settings.items():
        if name in actual and actual[name] != value:
            yield f"{name} is {actual[name]}, not {value}"


def topic_ids(client: Configuration, names: Sequence[str]) -> dict[str, str]:
    """
    The topic id of each topic that exists: another one after it was deleted and recreated.

    The embedded broker tells none.
    """
    if is_embedded(client):
        return {}
    with failing(client):
        admin = AdminClient(client)  # Named: one that is collected takes its answers along.
        described = admin.describe_topics(TopicCollection(list(names)), request_timeout=REQUEST_SECONDS)
        ids = {}
        for name, answer in described.items():
            try:
                ids[name] = str(answer.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return ids
