"""
The topics as they should be, the changelog of the health state included, and the names of the consumer
groups.

    TelltaleError
    └── TopicsDiffer    topics that exist have another partition count than they should
"""

from collections.abc import Iterable
from typing import Final

from pipeline.errors import TelltaleError
from pipeline.kafka.topics import TopicFinding, TopicPlan
from pipeline.settings import Settings
from pipeline.wire.contract import Contract, Topic

HEALTH_GROUP: Final = "telltale-health"
INTAKE_GROUP: Final = "telltale-intake"
"""Consumer groups of the workers, behind the topic prefix; the sink's is ``sinks.postgres.group.GROUP``."""

_DAY: Final = 86_400_000
_TOMBSTONE_DAYS: Final = 400
"""
As long as changes and alerts: a database restored from a backup meets every erasure that its rows have not
seen.
"""


class TopicsDiffer(TelltaleError):  # noqa: N818 - reads as what happened
    """Topics that exist have another partition count than they should."""


def planned_topics(contract: Contract, partitions: int) -> list[TopicPlan]:
    """
    The topics of *contract*, and the changelog of the health state; log, outputs and changelog get
    *partitions*.
    """
    changelog = TopicPlan(
        name=changelog_name(contract),
        partitions=partitions,
        settings={
            "cleanup.policy": "compact",
            # A worker that wakes up late may write an old state behind the new one; until the owner has
            # written its own again, both must be there.
            "min.compaction.lag.ms": "3600000",
            # A step of states, 2 MB and what its accounts grow by, is one batch.
            "max.message.bytes": "4194304",
        },
    )
    return [*(_plan(topic, partitions) for topic in contract.topics.values()), changelog]


def changelog_name(contract: Contract) -> str:
    """The topic that holds the health state."""
    return f"{contract.prefix}{HEALTH_GROUP}-state-changelog"


def hint(settings: Settings, findings: Iterable[TopicFinding]) -> str:
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
        # Retention deletes by timestamp: with the producer's, a backfill stamped 60 days back would be gone
        # at once.
        "message.timestamp.type": "LogAppendTime",
    }
    if topic.cleanup == "delete":
        days = topic.retention_days
        settings["retention.ms"] = "-1" if days is None else str(days * _DAY)
    else:
        settings["delete.retention.ms"] = str(_TOMBSTONE_DAYS * _DAY)
    return TopicPlan(
        name=topic.name, partitions=partitions if topic.partitions == "log" else None, settings=settings
    )
