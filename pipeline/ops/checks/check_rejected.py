"""How many records the Postgres sink quarantined."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, Site, attention
from sinks.postgres.group import GROUP as SINK_GROUP
from sinks.postgres.repair import sink_repair


def check_rejected(site: Site) -> Iterator[Finding]:
    """Count the records that the sink could not store."""
    with sink_repair(site.dsn, group=site.contract.prefix + SINK_GROUP) as repair:
        count = sum(repair.rejected_by_code().values())
    way = "`telltale sink rejected` says why; when that is mended, `telltale sink retry` stores them."
    says = f"records the Postgres sink quarantined: {count:,}"
    yield Finding(check="rejected", state=attention(count > 0), says=says, hint=way if count else "")
