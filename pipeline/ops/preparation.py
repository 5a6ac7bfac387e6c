"""What must stand before the pipeline's processes start: topics, tables, scorecards in the log."""

import time
from collections.abc import Callable

from pipeline.kafka.client import client_configuration, wait_for_broker
from pipeline.kafka.topics import apply_topics
from pipeline.ops.account_log import AccountLog
from pipeline.ops.topic_plan import TopicsDiffer, hint, planned_topics
from pipeline.scorecards import load_scorecards
from pipeline.settings import Settings
from pipeline.wire.contract import Contract
from pipeline.wire.registry import open_registry
from sinks.postgres import migrations


def prepare_pipeline(
    settings: Settings, *, say: Callable[[str], None], scored_from: int | None = None
) -> None:
    """
    Make the topics, bring the database up to date, and activate the scorecards; what is there already stays.

    *scored_from* is the time of the scorecards' entry in the log, ms UTC, now by default: a history that is
    loaded behind it must not begin earlier. Waits for the broker; raises what the single commands raise.
    """
    cards = load_scorecards(settings.scorecards)
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=say)
    contract = Contract.load(settings.topic_prefix)
    plans = planned_topics(contract, settings.partitions)
    findings = apply_topics(client, plans, replication_factor=settings.replication_factor)
    for finding in findings:
        for difference in finding.differences:
            say(f"{finding.name}: {difference}")
    if any(finding.has_other_partition_count for finding in findings):
        raise TopicsDiffer("topics have other partition counts than declared", hint=hint(settings, findings))
    migrations.upgrade(settings.database_url.get_secret_value())
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    with AccountLog(client, contract, registry, partitions=settings.partitions) as log:
        log.activate(cards, int(time.time() * 1000) if scored_from is None else scored_from)
