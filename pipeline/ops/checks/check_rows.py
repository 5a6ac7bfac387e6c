"""How new the rows in Postgres are."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, Site
from sinks.postgres.reading import HealthReader


def check_rows(site: Site) -> Iterator[Finding]:
    """Tell how new the stored rows are."""
    with HealthReader(site.dsn) as reader:
        fresh = reader.freshness()
    says = f"{fresh.accounts:,} accounts"
    if fresh.newest_committed_at is not None:
        says += f", the newest row is {(fresh.now - fresh.newest_committed_at).total_seconds():.0f} s old"
    if fresh.row_seconds_p99 is not None:
        says += f", 99 % of the last hour's were stored within {fresh.row_seconds_p99:.1f} s"
    yield Finding(check="rows", state="ok", says=says)
