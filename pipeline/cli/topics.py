"""``telltale topics apply``: makes the topics of ``schemas/topics.yaml`` and the state's changelog."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pipeline.cli.printing import json_option, print_json

if TYPE_CHECKING:
    from pipeline.kafka.topics import TopicFinding


@click.group()
def topics() -> None:
    """Make the Kafka topics."""


@topics.command()
@json_option()
def apply(*, as_json: bool) -> None:
    """
    Create every topic that is missing, and report those that differ from their declaration.

    Nothing that exists is changed: partitions cannot be without moving accounts, and the rest may be
    somebody's decision. Exit code 1 if a topic has another partition count, with which nothing may be
    started.
    """
    from pipeline.kafka.client import client_configuration, is_embedded, wait_for_broker
    from pipeline.kafka.topics import apply_topics
    from pipeline.ops.topic_plan import TopicsDiffer, hint, planned_topics
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract

    settings = load_settings("brokers")
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    plans = planned_topics(Contract.load(settings.topic_prefix), settings.partitions)
    findings = apply_topics(client, plans, replication_factor=settings.replication_factor)
    if as_json:
        print_json(
            {"topic": finding.name, "state": finding.state, "differences": list(finding.differences)}
            for finding in findings
        )
    else:
        click.echo("\n".join(lines(findings)))
    if is_embedded(client):
        click.echo("the embedded broker has no topic settings: only partitions were compared", err=True)
    differing = [finding.name for finding in findings if finding.differences]
    if any(finding.has_other_partition_count for finding in findings):
        raise TopicsDiffer(
            f"topics that are not as declared: {len(differing)}", hint=hint(settings, findings)
        )
    if differing:
        click.echo(hint(settings, findings), err=True)


def lines(findings: "Iterable[TopicFinding]") -> list[str]:
    """One line per topic: what was done, and how it differs."""
    return [f"{finding.state:8} {finding.name}{_aside(finding)}" for finding in findings]


def _aside(finding: "TopicFinding") -> str:
    return f"  ({'; '.join(finding.differences)})" if finding.differences else ""
