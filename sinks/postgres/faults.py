"""
What an error of Postgres is about: the server, another transaction, a row of ours, or the tables as a whole.
"""

from typing import Final, TypeAlias

import psycopg
from sqlalchemy.exc import DBAPIError

# Worth another transaction on the same connection: serialization failure, deadlock.
_CONFLICTS: Final = frozenset({"40001", "40P01"})
# Worth waiting for: connection lost or refused (08), out of resources (53), shut down or cancelled (57), I/O
# error (58), lock not to be had in time (55P03), a server that has become a replica (25006), a transaction
# that took too long (25P03, 25P04).
_AWAY_CLASSES: Final = ("08", "53", "57", "58")
_AWAY_STATES: Final = frozenset({"55P03", "25006", "25P03", "25P04"})
# No attempt helps: bad data (22), a constraint (23), more than a page or an index can hold (54), and what a
# trigger of the database's owner raises.
_ROW_CLASSES: Final = ("22", "23", "54")
_ROW_STATES: Final = frozenset({"P0001"})

DatabaseError: TypeAlias = DBAPIError | psycopg.Error
"""What a failed statement raises: SQLAlchemy's wrapping, or, inside a COPY, the driver's error itself."""


def sqlstate(error: DatabaseError) -> str | None:
    """The server's code for *error*; None if no server said anything."""
    return _of_driver(error).sqlstate


def is_conflict(error: DatabaseError) -> bool:
    """Whether another transaction was in the way, so that the whole of ours may succeed at once."""
    return sqlstate(error) in _CONFLICTS


def is_away(error: DatabaseError) -> bool:
    """Whether the server is what is wrong, so that the same transaction may succeed later."""
    state = sqlstate(error)
    if state is None:
        return isinstance(_of_driver(error), psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in _AWAY_CLASSES or state in _AWAY_STATES


def is_about_a_row(error: DatabaseError) -> bool:
    """Whether one row's contents are what is refused, so that the others may be stored without it."""
    state = sqlstate(error)
    if state is None:
        return isinstance(_of_driver(error), psycopg.DataError)  # The driver cannot even send it.
    return state[:2] in _ROW_CLASSES or state in _ROW_STATES


def words(error: DatabaseError) -> str:
    """What the server or the driver said, in one line and without our values."""
    driver_error = _of_driver(error)
    return driver_error.diag.message_primary or str(driver_error).strip().partition("\n")[0]


def _of_driver(error: DatabaseError) -> psycopg.Error:
    found = error.orig if isinstance(error, DBAPIError) else error
    assert isinstance(found, psycopg.Error)
    return found
