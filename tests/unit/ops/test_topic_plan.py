"""What `telltale topics apply` makes of schemas/topics.yaml."""

import pytest

from agents.health import STEP_BYTES
from agents.lane.writer import STATE_BATCH_BYTES
from pipeline.cli.topics import lines
from pipeline.kafka.topics import TopicFinding, TopicPlan
from pipeline.ops.topic_plan import planned_topics
from pipeline.wire.contract import Contract


@pytest.fixture
def plans() -> dict[str, TopicPlan]:
    return {plan.name: plan for plan in planned_topics(Contract.load("t."), 12)}


def test_log_outputs_and_changelog_share_one_count(plans: dict[str, TopicPlan]) -> None:
    """An account must be in the same partition of all five; inputs have the broker's count."""
    counts = {name: plan.partitions for name, plan in plans.items()}

    assert {name for name, count in counts.items() if count == 12} == {
        "t.health.account-log.v1", "t.health.change.v1", "t.health.current.v1", "t.health.alert.v1",
        "t.telltale-health-state-changelog",
    }  # fmt: skip
    assert {count for count in counts.values() if count != 12} == {None}


def test_the_log_is_kept_for_good_and_never_compacted(plans: dict[str, TopicPlan]) -> None:
    """Health relies on offsets without gaps, and a rebuild on the first of them."""
    settings = plans["t.health.account-log.v1"].settings

    assert (settings["cleanup.policy"], settings["retention.ms"]) == ("delete", "-1")


def test_every_input_has_a_dead_letter_topic(plans: dict[str, TopicPlan]) -> None:
    """A record that cannot be dead-lettered would stop its partition."""
    assert all(f"{topic.name}.dlq" in plans for topic in Contract.load("t.").inputs)
    assert plans["t.customer.login.v1.dlq"].settings["retention.ms"] == str(30 * 86_400_000)


def test_timestamps_are_those_of_the_sending(plans: dict[str, TopicPlan]) -> None:
    """
    Retention deletes by timestamp: a backfill that stamped its own times would be gone at the first check.
    """
    topics = [plan for name, plan in plans.items() if not name.endswith("-changelog")]

    assert {plan.settings["message.timestamp.type"] for plan in topics} == {"LogAppendTime"}


def test_the_changelog_keeps_old_and_new_for_an_hour(plans: dict[str, TopicPlan]) -> None:
    """
    Compaction must not take the owner's state in favour of a straggler's before the owner has written again.
    """
    settings = plans["t.telltale-health-state-changelog"].settings

    assert settings == {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": "3600000",
        "max.message.bytes": "4194304",
    }


def test_the_changelog_takes_the_largest_step(plans: dict[str, TopicPlan]) -> None:
    """A batch that the topic refuses would end the worker, again and again."""
    settings = plans["t.telltale-health-state-changelog"].settings

    assert int(settings["max.message.bytes"]) > STATE_BATCH_BYTES > STEP_BYTES


def test_findings_are_told_a_line_each() -> None:
    """What was done first, then the topic, then how it differs."""
    findings = [
        TopicFinding(name="a.v1", state="created"),
        TopicFinding(
            name="b.v1", state="present", differences=("4 partitions, not 12", "retention.ms is 1, not -1")
        ),
    ]

    assert lines(findings) == [
        "created  a.v1",
        "present  b.v1  (4 partitions, not 12; retention.ms is 1, not -1)",
    ]
