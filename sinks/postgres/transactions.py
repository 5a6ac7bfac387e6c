"""
Transactions that end: by a commit, by being tried again, or by the server counting as away.

    TelltaleError > TargetAway
    └── DatabaseAway      nobody answers at the address or within the time, or the login is refused
"""

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from sinks.postgres.connection import LimitedConnection
from sinks.postgres.faults import is_away, is_conflict, words
from sinks.target import TargetAway

T = TypeVar("T")

CONFLICT_PAUSES: Final = (0.01, 0.05, 0.2, 0.5)
"""Seconds before a transaction that met a conflict is tried again, each plus up to as much."""

_log = structlog.get_logger(__name__)


class DatabaseAway(TargetAway):
    """Postgres does not answer, or does not let us in."""


def run_in_transaction(engine: Engine, work: Callable[[Connection], T], *, seconds: float = math.inf) -> T:
    """
    Run *work* in a transaction, all of it again if another transaction was in its way.

    ``DatabaseAway`` when that does not help, or as ``transaction`` raises it.
    """
    for pause in CONFLICT_PAUSES:
        try:
            with transaction(engine, seconds=seconds) as connection:
                return work(connection)
        except (DBAPIError, psycopg.Error) as error:
            if not is_conflict(error):
                raise
            _log.info("sink.conflict_retried", reason=words(error))
        time.sleep(pause * (1 + random.random()))  # noqa: S311 - to part two that collided, not a secret
    raise DatabaseAway(f"the same transaction met a conflict {len(CONFLICT_PAUSES)} times")


@contextmanager
def transaction(engine: Engine, *, seconds: float = math.inf) -> Iterator[Connection]:
    """
    One transaction; ``DatabaseAway`` if the server cannot be reached, goes away in it, or is not done in
    *seconds*.

    After that error nobody knows whether it was committed, unless the block had not ended yet: then it was
    not.
    """
    try:
        with engine.connect() as connection, _deadline(connection, seconds), connection.begin():
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        if not is_away(error):
            raise
        raise DatabaseAway(
            f"Postgres at {engine.url.render_as_string(hide_password=True)} does not answer: {words(error)}",
            hint="Check TELLTALE_DATABASE_URL and that the server runs.",
        ) from error


@contextmanager
def _deadline(connection: Connection, seconds: float) -> Iterator[None]:
    driver = connection.connection.driver_connection
    assert isinstance(driver, LimitedConnection)
    driver.deadline = time.monotonic() + seconds
    try:
        yield
    finally:
        driver.deadline = math.inf
