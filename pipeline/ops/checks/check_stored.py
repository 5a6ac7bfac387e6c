"""
Whether the sink stores into the database that the settings name: its positions there against those in Kafka.
"""

import time
from collections.abc import Iterator

from pipeline.kafka.records import group_lag
from pipeline.ops.checks.check import Finding, Site
from sinks.postgres.group import GROUP as SINK_GROUP
from sinks.postgres.reading import HealthReader

_AGAIN_SECONDS = 1.0


def check_stored(site: Site) -> Iterator[Finding]:
    """
    Compare what the sink's group has committed with how far the rows of this database go.

    A sink commits to Kafka after its rows, so rows that stand behind are another database's, or one that was
    set back.
    """
    group = site.contract.prefix + SINK_GROUP
    behind = _behind(site, group)
    deadline = time.monotonic() + site.watch_seconds
    again = behind
    while again and again == behind and time.monotonic() < deadline:
        time.sleep(_AGAIN_SECONDS)
        again = _behind(site, group)
    if not again:
        yield Finding(check="stored", state="ok", says="the sink stores into this database")
    elif again != behind:
        says = f"{sum(again.values()):,} records are stored again: the positions were set back"
        yield Finding(check="stored", state="warn", says=says, hint="Look again when it has caught up.")
    else:
        yield Finding(
            check="stored",
            state="FAIL",
            says=f"{sum(behind.values()):,} records the sink has stored are not in this database",
            hint="The sink writes to another server, or this database was set back: start the sink with the "
            "TELLTALE_DATABASE_URL that is set here.",
        )


def _behind(site: Site, group: str) -> dict[tuple[str, int], int]:
    """
    Records by partition that are committed and not stored; the commits are read first, as rows only go on.
    """
    lags = group_lag(site.client, group, [topic.name for topic in site.contract.outputs])
    with HealthReader(site.dsn) as reader:
        stored = reader.positions(group)
    found = {}
    for lag in lags:
        missing = (lag.committed or 0) - stored.get((lag.topic, lag.partition), 0)
        if missing > 0:
            found[lag.topic, lag.partition] = missing
    return found
