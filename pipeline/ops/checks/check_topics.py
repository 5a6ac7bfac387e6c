"""Whether all topics exist as ``schemas/topics.yaml`` declares them."""

from collections.abc import Iterator

from pipeline.kafka.topics import inspect_topics
from pipeline.ops.checks.check import Finding, Site
from pipeline.ops.topic_plan import hint, planned_topics


def check_topics(site: Site) -> Iterator[Finding]:
    """Compare the topics with what is declared."""
    findings = inspect_topics(site.client, planned_topics(site.contract, site.settings.partitions))
    missing = [finding.name for finding in findings if finding.state == "missing"]
    differing = [finding for finding in findings if finding.differences]
    if missing:
        says = f"{len(missing)} of {len(findings)} are missing: {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}"
        yield Finding(check="topics", state="FAIL", says=says, hint="Run `telltale topics apply`.")
    for finding in differing:
        yield Finding(
            check="topics",
            state="FAIL" if finding.has_other_partition_count else "warn",
            says=f"{finding.name}: {'; '.join(finding.differences)}",
            hint=hint(site.settings, [finding]),
        )
    if not missing and not differing:
        yield Finding(check="topics", state="ok", says=f"all {len(findings)} are as declared")
