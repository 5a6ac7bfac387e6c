"""What an error of Postgres makes the sink do: try again, wait, set one record aside, or stop."""

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from sinks.postgres.faults import is_about_a_row, is_away, is_conflict, sqlstate

CASES = {
    "serialization failure": (errors.SerializationFailure("x"), "conflict"),
    "deadlock": (errors.DeadlockDetected("x"), "conflict"),
    "connection lost, nobody said anything": (psycopg.OperationalError("x"), "away"),
    "connection closed on our side": (psycopg.InterfaceError("x"), "away"),
    "connection failure": (errors.ConnectionFailure("x"), "away"),
    "disk full": (errors.DiskFull("x"), "away"),
    "out of memory": (errors.OutOfMemory("x"), "away"),
    "too many connections": (errors.TooManyConnections("x"), "away"),
    "administrator's shutdown": (errors.AdminShutdown("x"), "away"),
    "crash": (errors.CrashShutdown("x"), "away"),
    "starting up": (errors.CannotConnectNow("x"), "away"),
    "statement timeout": (errors.QueryCanceled("x"), "away"),
    "I/O error": (errors.IoError("x"), "away"),
    "lock not available": (errors.LockNotAvailable("x"), "away"),
    "replica": (errors.ReadOnlySqlTransaction("x"), "away"),
    "idle too long in a transaction": (errors.IdleInTransactionSessionTimeout("x"), "away"),
    "the driver cannot send it": (psycopg.DataError("text fields cannot contain NUL"), "row"),
    "out of range": (errors.NumericValueOutOfRange("x"), "row"),
    "bad JSON": (errors.InvalidTextRepresentation("x"), "row"),
    "too long": (errors.StringDataRightTruncation("x"), "row"),
    "constraint": (errors.CheckViolation("x"), "row"),
    "null": (errors.NotNullViolation("x"), "row"),
    "too large for the index": (errors.ProgramLimitExceeded("x"), "row"),
    "a trigger's refusal": (errors.RaiseException("x"), "row"),
    "no table": (errors.UndefinedTable("x"), "stop"),
    "no column": (errors.UndefinedColumn("x"), "stop"),
    "no right": (errors.InsufficientPrivilege("x"), "stop"),
    "corrupted": (errors.DataCorrupted("x"), "stop"),
    "a bug of ours": (psycopg.ProgrammingError("x"), "stop"),
}


@pytest.mark.parametrize(("error", "meant"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("wrapped", [False, True], ids=["driver's", "wrapped"])
def test_each_error_means_one_thing(error: psycopg.Error, meant: str, *, wrapped: bool) -> None:
    """
    To wait for a bad row is to stand still for good, to quarantine what an outage refuses is to drain the
    topic.
    """
    found = DBAPIError("INSERT", {}, error) if wrapped else error

    verdicts = {"conflict": is_conflict(found), "away": is_away(found), "row": is_about_a_row(found)}

    assert [name for name, holds in verdicts.items() if holds] == ([] if meant == "stop" else [meant])
    assert sqlstate(found) == error.sqlstate
