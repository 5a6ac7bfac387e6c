"""The tables come and go by migrations, whoever starts first, and say what the code believes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from sqlalchemy import inspect, text

from sinks.postgres import migrations
from sinks.postgres.connection import DatabaseAway, make_engine


def tables_of(dsn: str) -> set[str]:
    return set(inspect(sqlalchemy.create_engine(dsn, poolclass=sqlalchemy.NullPool)).get_table_names())


def test_the_migrations_make_what_the_tables_say_and_can_be_taken_back(postgres: str) -> None:
    """Upgrade, ``alembic check``, downgrade to nothing, upgrade: the same tables twice, and none between."""
    assert migrations.current(postgres) is None

    migrations.upgrade(postgres)
    migrations.check(postgres)
    made = tables_of(postgres)
    assert migrations.current(postgres) == migrations.head()
    migrations.downgrade(postgres)
    assert tables_of(postgres) == {"alembic_version"}
    migrations.upgrade(postgres)

    assert tables_of(postgres) == made


def test_of_processes_that_start_together_one_migrates(postgres: str) -> None:
    """All come back with the tables there; without the lock all but one would find a table in their way."""
    with ThreadPoolExecutor(4) as starters:
        revisions = [start.result() for start in [starters.submit(migrations.upgrade, postgres) for _ in range(4)]]

    assert revisions == [migrations.head()] * 4


def test_without_the_lock_they_do_collide(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin of the test above, with the guard off: this is what the lock is for."""
    monkeypatch.setattr(migrations, "text", lambda statement: text(statement.replace("pg_advisory_xact_lock", "abs")))

    with ThreadPoolExecutor(4) as starters:
        attempts = [starters.submit(migrations.upgrade, postgres) for _ in range(4)]

    assert [attempt for attempt in attempts if attempt.exception() is not None]


@pytest.mark.parametrize("there", ["base", "0001"])
def test_tables_that_are_missing_or_old_are_refused_with_the_way_out(postgres: str, there: str) -> None:
    """A sink does not begin on tables it does not know, and says which command makes them."""
    migrations.upgrade(postgres)
    migrations.downgrade(postgres, there)
    engine = make_engine(postgres, application="test")

    with engine.begin() as connection, pytest.raises(migrations.SchemaOutdated) as refusal:
        migrations.require_schema(connection)

    engine.dispose()
    assert "telltale migrate" in refusal.value.hint


def test_a_newer_schema_is_accepted(postgres: str) -> None:
    """An upgrade migrates first and replaces the sinks afterwards, which go on meanwhile."""
    migrations.upgrade(postgres)
    engine = make_engine(postgres, application="test")

    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
        migrations.require_schema(connection)

    engine.dispose()


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    """The message is for a person: address, reason, no secret."""
    with pytest.raises(DatabaseAway) as away:
        migrations.upgrade("postgresql://me:secret@127.0.0.1:1/nowhere")

    assert "127.0.0.1:1/nowhere" in str(away.value)
    assert "secret" not in str(away.value)
