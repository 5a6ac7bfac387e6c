"""The tables come and go by migrations, whoever starts first, and say what the code believes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from sqlalchemy import inspect, text

from sinks.postgres import migrations
from sinks.postgres.connection import make_engine
from sinks.postgres.transactions import DatabaseAway
from tests.integration.postgres_sink_parts import until


def tables_of(dsn: str) -> set[str]:
    return set(inspect(sqlalchemy.create_engine(dsn, poolclass=sqlalchemy.NullPool)).get_table_names())


def waits_for_the_lock(connection: sqlalchemy.Connection) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    return bool(connection.scalar(text(waiting)))


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


def test_who_comes_second_waits_for_the_first_to_finish(postgres: str) -> None:
    """While somebody else holds the lock of the migrations nothing is made; afterwards all is."""
    other = sqlalchemy.create_engine(postgres, poolclass=sqlalchemy.NullPool)

    with ThreadPoolExecutor(1) as starter, other.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migrations.LOCK})
        start = starter.submit(migrations.upgrade, postgres)
        until(lambda: waits_for_the_lock(holder) or start.done(), what="the upgrade to ask for the lock")
        made_meanwhile = tables_of(postgres)
        holder.rollback()

    assert made_meanwhile == set()
    assert start.result() == migrations.current(postgres) == migrations.head()


@pytest.mark.parametrize("there", ["base", "0001"])
def test_tables_that_are_missing_or_old_are_refused_with_the_hint(postgres: str, there: str) -> None:
    """A sink does not begin on tables it does not know, and says which command makes them."""
    migrations.upgrade(postgres)
    migrations.downgrade(postgres, there)
    engine = make_engine(postgres, application="test")

    with engine.begin() as connection, pytest.raises(migrations.SchemaOutdated) as refusal:
        migrations.require_schema(connection)

    engine.dispose()
    assert "telltale db upgrade" in refusal.value.hint


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
