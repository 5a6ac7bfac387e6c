"""
Connections to Postgres: how they are made, and what an error says about the server rather than about our rows.

    TelltaleError > TargetAway
    └── DatabaseAway      nobody answers at the address, or the login is refused
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.sql import SQL
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from sinks.target import TargetAway

_SERVER_SETTINGS: Final = {
    "timezone": "UTC",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "10s",
    # For the day our machine vanishes: the server's own default is two hours, in which our locks would stand.
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
_CONNECT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms; what a cut cable costs before the write is given up
    "options": " ".join(f"-c {name}={value}" for name, value in _SERVER_SETTINGS.items()),
}
_FIRST_WITH_TRANSACTION_TIMEOUT: Final = 170_000

# Worth another transaction on the same connection: serialization failure, deadlock.
CONFLICTS: Final = frozenset({"40001", "40P01"})
# Worth waiting for: connection lost or refused (08), out of resources (53), shut down or cancelled (57), lock not to
# be had in time (55P03), a server that has become a replica (25006), a transaction that took too long (25P03, 25P04).
_AWAY_CLASSES: Final = ("08", "53", "57")
_AWAY_STATES: Final = frozenset({"55P03", "25006", "25P03", "25P04"})


DatabaseError: TypeAlias = DBAPIError | psycopg.Error
"""What a failed statement raises: SQLAlchemy's wrapping, or, inside a COPY, the driver's error itself."""


class DatabaseAway(TargetAway):
    """Postgres does not answer, or does not let us in."""


def make_engine(dsn: str, *, application: str, transaction_seconds: int | None = None) -> Engine:
    """
    One connection to *dsn*, opened when first used and again after it was lost.

    JSON is bound as the text it already is: ``rows`` makes it, so that a value that has no JSON is found together
    with its record. *application* is the name Postgres shows for the connection. After *transaction_seconds* the
    server ends a transaction of ours (from PostgreSQL 17 on).
    """
    engine = create_engine(
        # The driver is named, because the default for a bare postgresql:// differs between SQLAlchemy 2.0 and 2.1.
        make_url(dsn).set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=0,
        json_serializer=str,
        hide_parameters=True,  # Errors reach the log, and rows hold what people wrote.
        connect_args=_CONNECT | {"application_name": application},
    )
    if transaction_seconds is not None:

        def limit(connection: psycopg.Connection[Any], _record: object) -> None:
            if connection.info.server_version >= _FIRST_WITH_TRANSACTION_TIMEOUT:
                connection.execute(SQL("SET transaction_timeout = {}").format(f"{transaction_seconds}s"))
                connection.commit()

        event.listen(engine, "connect", limit)
    return engine


def sqlstate(error: DatabaseError) -> str | None:
    """The server's code for *error*; None if no server said anything."""
    return _of_driver(error).sqlstate


def is_away(error: DatabaseError) -> bool:
    """Whether the server is what is wrong, so that the same transaction may succeed later."""
    driver_error = _of_driver(error)
    state = driver_error.sqlstate
    if state is None:
        return isinstance(driver_error, psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in _AWAY_CLASSES or state in _AWAY_STATES


def words(error: DatabaseError) -> str:
    """What the server or the driver said, in one line and without our values."""
    driver_error = _of_driver(error)
    return driver_error.diag.message_primary or str(driver_error).strip().partition("\n")[0]


def _of_driver(error: DatabaseError) -> psycopg.Error:
    found = error.orig if isinstance(error, DBAPIError) else error
    assert isinstance(found, psycopg.Error)
    return found


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction; ``DatabaseAway`` if the server cannot be reached or goes away in it."""
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        if not is_away(error):
            raise
        raise DatabaseAway(
            f"Postgres at {engine.url.render_as_string(hide_password=True)} does not answer: {words(error)}",
            hint="Check TELLTALE_DATABASE_URL and that the server runs.",
        ) from error
