"""Connections to Postgres: how they are made, and which limits they keep, at the server and on our side."""

import math
import time
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.sql import SQL
from sqlalchemy import Engine, create_engine, event, make_url

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
OLDEST_SERVER: Final = 15
"""Oldest major version of PostgreSQL that we work with."""

_FIRST_WITH_TRANSACTION_TIMEOUT: Final = 170_000

T = TypeVar("T")


class LimitedConnection(psycopg.Connection[Any]):
    """
    A connection that waits for no answer beyond ``deadline``: it closes itself and raises
    ``OperationalError``.

    The server's own timeouts do not help where the server is what is frozen: its kernel goes on acknowledging
    what we send, and we would wait for the answer until our group gave us up.
    """

    deadline = math.inf
    """In seconds of ``time.monotonic``."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """Wait as the driver does, who hands *gen* an empty answer about ten times a second."""
        return super().wait(self._limited(gen), *args, **kwargs)

    def _limited(self, gen: PQGen[T]) -> PQGen[T]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > self.deadline:
                    self.close()
                    raise psycopg.OperationalError("no answer within the time a transaction may take")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result


def make_engine(dsn: str, *, application: str, transaction_seconds: int | None = None) -> Engine:
    """
    One connection to *dsn*, opened when first used and again after it was lost.

    JSON is bound as the text it already is: ``rows`` makes it, so that a value that has no JSON is found
    together with its record. *application* is the name Postgres shows for the connection. After
    *transaction_seconds* the server ends a transaction of ours (from PostgreSQL 17 on).
    """
    engine = create_engine(
        # The driver is named, because the default for a bare postgresql:// differs between SQLAlchemy 2.0 and
        # 2.1.
        make_url(dsn).set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=0,
        json_serializer=str,
        hide_parameters=True,  # Errors reach the log, and rows hold what people wrote.
        connect_args=_CONNECT | {"application_name": application},
    )

    def connect(_dialect: object, _record: object, address: Any, settings: Any) -> LimitedConnection:
        return LimitedConnection.connect(*address, **settings)

    event.listen(engine, "do_connect", connect)
    if transaction_seconds is not None:

        def limit(connection: psycopg.Connection[Any], _record: object) -> None:
            if connection.info.server_version >= _FIRST_WITH_TRANSACTION_TIMEOUT:
                connection.execute(SQL("SET transaction_timeout = {}").format(f"{transaction_seconds}s"))
                connection.commit()

        event.listen(engine, "connect", limit)
    return engine
