"""``telltale topics apply``: makes the topics of ``schemas/topics.yaml`` and the state's changelog."""

from collections.abc import Iterable
from typing import Final

import click

from pipeline.errors import TelltaleError
from pipeline.kafka.client import client_configuration, is_embedded, wait_for_broker
from pipeline.kafka.topics import TopicFinding, TopicPlan, apply_topics
from pipeline.settings import Settings, load_settings
from pipeline.wire.contract import Contract, Topic

HEALTH_GROUP: Final = "telltale-health"
INTAKE_GROUP: Final = "telltale-intake"

_DAY: Final = 86_400_000


class TopicsDiffer(TelltaleError):  # noqa: N818 - reads as what happened
    """Topics that exist have another partition count than they should."""


@click.group()
def topics() -> None:
    """Make the Kafka topics."""


@topics.command()
def apply() -> None:
    """
    Create every topic that is missing, and report those that differ from their declaration.

    Nothing that exists is changed: partitions cannot be without moving accounts, and the rest may be somebody's
    decision. Exit code 1 if a topic has another partition count, with which nothing may be started.
    """
    settings = load_settings("brokers")
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    plans = planned_topics(Contract.load(settings.topic_prefix), settings.partitions)
    findings = apply_topics(client, plans, replication_factor=settings.replication_factor)
    click.echo("\n".join(lines(findings)))
    if is_embedded(client):
        click.echo("the embedded broker has no topic settings: only partitions were compared", err=True)
    differing = [finding.name for finding in findings if finding.differences]
    if any(finding.has_other_partition_count for finding in findings):
        raise TopicsDiffer(
            f"topics that are not as declared: {len(differing)}", hint=way_out(settings, findings)
        )
    if differing:
        click.echo(way_out(settings, findings), err=True)


def planned_topics(contract: Contract, partitions: int) -> list[TopicPlan]:
    """The topics of *contract*, and the changelog of the health state; log, outputs and changelog get *partitions*."""
    changelog = TopicPlan(
        name=changelog_name(contract),
        partitions=partitions,
        settings={
            "cleanup.policy": "compact",
            # A worker that wakes up late may write an old state behind the new one; until the owner has written its
            # own again, both must be there.
            "min.compaction.lag.ms": "3600000",
            "max.message.bytes": "4194304",  # A step of states, 2 MB and what its accounts grow by, is one batch.
        },
    )
    return [*(_plan(topic, partitions) for topic in contract.topics.values()), changelog]


def changelog_name(contract: Contract) -> str:
    """The topic that holds the health state."""
    return f"{contract.prefix}{HEALTH_GROUP}-state-changelog"


def lines(findings: Iterable[TopicFinding]) -> list[str]:
    """One line per topic: what was done, and how it differs."""
    return [f"{finding.state:8} {finding.name}{_aside(finding)}" for finding in findings]


def way_out(settings: Settings, findings: Iterable[TopicFinding]) -> str:
    """What to do about topics that differ."""
    if any(finding.has_other_partition_count for finding in findings):
        return (
            f"TELLTALE_PARTITIONS is {settings.partitions} and must be the count the log was made with; "
            "for another count take a new TELLTALE_TOPIC_PREFIX and load the history again."
        )
    return "Change them with kafka-configs.sh --alter, or leave them if they are meant."


def _plan(topic: Topic, partitions: int) -> TopicPlan:
    settings = {
        "cleanup.policy": topic.cleanup,
        # Retention deletes by timestamp: with the producer's, a backfill stamped 60 days back would be gone at once.
        "message.timestamp.type": "LogAppendTime",
    }
    if topic.cleanup == "delete":
        days = topic.retention_days
        settings["retention.ms"] = "-1" if days is None else str(days * _DAY)
    return TopicPlan(
        name=topic.name, partitions=partitions if topic.partitions == "log" else None, settings=settings
    )


def _aside(finding: TopicFinding) -> str:
    return f"  ({'; '.join(finding.differences)})" if finding.differences else ""
