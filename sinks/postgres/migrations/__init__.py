"""
The way from one version of the tables to the next: Alembic, run from code, so that it works from a wheel.

All steps of an upgrade are one transaction under an advisory lock: of processes that start together one
migrates, and the others wait and find it done. A new migration is a file in ``versions/``, numbered on.

    TelltaleError
    └── SchemaOutdated    the tables are not there, or older than this version of Telltale
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from pipeline.errors import TelltaleError
from sinks.postgres.connection import make_engine
from sinks.postgres.transactions import transaction

LOCK: Final = 0x7E117A1E_0001
"""Advisory lock of those who migrate; any number that is not used otherwise."""

_APPLICATION: Final = "telltale-migrations"


class SchemaOutdated(TelltaleError):  # noqa: N818 - reads as what happened
    """The tables are not there, or older than this version of Telltale."""


def upgrade(dsn: str) -> str:
    """Bring the tables at *dsn* to ``head()`` and return that; may be repeated. Raises ``DatabaseAway``."""
    _run(dsn, lambda config: command.upgrade(config, "head"))
    return head()


def downgrade(dsn: str, revision: str = "base") -> None:
    """Take the tables back to *revision*; what only newer ones hold is lost. Raises ``DatabaseAway``."""
    _run(dsn, lambda config: command.downgrade(config, revision))


def check(dsn: str) -> None:
    """
    Compare the tables at *dsn* with ``tables``; ``alembic.util.CommandError`` says what a migration lacks.
    """
    _run(dsn, command.check)


def current(dsn: str) -> str | None:
    """Revision of the tables at *dsn*, None if there are none. Raises ``DatabaseAway``."""
    engine = make_engine(dsn, application=_APPLICATION)
    try:
        with transaction(engine) as connection:
            return _current(connection)
    finally:
        engine.dispose()


def head() -> str:
    """Revision this version of Telltale works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def require_schema(connection: Connection) -> None:
    """
    Raise ``SchemaOutdated`` unless the tables are at ``head()`` or beyond.

    A revision we do not know is a newer one: an upgrade migrates first and replaces the sinks afterwards.
    """
    there = _current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if there is None or (there in known and there != head()):
        raise SchemaOutdated(
            f"the tables in Postgres are at revision {there or 'none'}, and {head()} is needed",
            hint="Run `telltale db upgrade`, then start again.",
        )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _run(dsn: str, act: Callable[[Config], object]) -> None:
    engine = make_engine(dsn, application=_APPLICATION)
    config = _config()
    try:
        with transaction(engine) as connection:
            # A step may take longer than a batch of rows may, and so may the wait for another who migrates.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            config.attributes["connection"] = connection
            act(config)
    finally:
        engine.dispose()
