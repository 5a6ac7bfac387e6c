"""
What the tests of the Postgres sink share: a database with empty tables, and a target that owns partition 0 of
each topic.
"""

from collections.abc import Iterator

import pytest

from pipeline.embedded.postgres import EmbeddedPostgres
from sinks.postgres.writer import PostgresTarget
from tests.integration.postgres_sink_parts import empty_tables, migrated_database, target


@pytest.fixture(scope="module")
def sink_database(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """Address of a database for the tests of a module."""
    with migrated_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
def migrated(sink_database: str) -> str:
    """Address of a database with all tables and no row."""
    empty_tables(sink_database)
    return sink_database


@pytest.fixture
def sink(migrated: str) -> Iterator[PostgresTarget]:
    """The sink's target, without a consumer."""
    with target(migrated) as owner:
        yield owner
