"""How soon what happened is seen, by the database's own clock."""

import time
from datetime import UTC, datetime

import pytest

from sinks.postgres.reading import HealthReader
from sinks.postgres.writer import PostgresTarget
from tests.integration.postgres_sink_parts import (
    DAY,
    alert,
    change,
    record,
    rows,
    snapshot,
)


def test_time_to_detect_counts_from_the_due_time_or_the_last_event(
    sink: PostgresTarget, migrated: str
) -> None:
    """
    A silence is late from when it was due, an event from when it was observed; a loaded history is not live.
    """
    now = int(time.time() * 1000)
    sink.write(
        [
            record(alert("silence", due_at=now - 2000, observed_at=now - DAY), scored_at=now - 1500),
            record(alert("event", due_at=None, observed_at=now - 900), scored_at=now - 800),
            record(alert("history", due_at=now - 40 * DAY), scored_at=now),
            record(
                alert("event", sequence=2, transition="RESOLVED", due_at=None, observed_at=now), scored_at=now
            ),
        ]
    )

    detected = rows(
        migrated,
        "SELECT alert_id, scored_seconds, live, stored_seconds > scored_seconds FROM alert_time_to_detect ORDER BY 1 DESC",
    )

    assert detected == [
        ("silence", 0.5, True, True),
        ("history", 40 * 86400.0, False, True),
        ("event", pytest.approx(0.1), True, True),
    ]


def test_freshness_says_how_new_and_how_fast_rows_are(sink: PostgresTarget, migrated: str) -> None:
    """From the score to the row, over what was stored lately; a database without rows has no figures."""
    with HealthReader(migrated) as reader:
        assert reader.freshness().newest_as_of is None
        now = int(time.time() * 1000)

        sink.write([record(snapshot(as_of=now)), record(change(as_of=now), scored_at=now)])

        fresh = reader.freshness()
        assert (fresh.accounts, fresh.rows_last_hour) == (1, 1)
        assert fresh.newest_as_of == datetime.fromtimestamp(now / 1000, UTC)
        assert fresh.row_seconds_p50 is not None
        assert 0 < fresh.row_seconds_p50 < 60
