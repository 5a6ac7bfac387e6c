"""
Erased accounts: all their rows go in one transaction, and no record brings any back.

A null in the compacted topic erases its account. The log, the state and the other topics still have what they
had (docs/decisions/0008-erase.md), so records of an erased account go on arriving: a late alert event of
another partition, all of its history after a rewind or a rebuild, the next version that a worker writes. They
are not stored until an operator readmits the account.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import ARRAY, Connection, Table, Text, any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from sinks.postgres.rows import Batch
from sinks.postgres.tables import erased_account, metadata, sink_rejected

_LOCK: Final = 0x7E117A1E_0003
"""
Advisory lock: shared by those who store rows, alone for who erases; any number that is not used otherwise.
"""

TABLES_OF_ACCOUNTS: Final[tuple[Table, ...]] = tuple(
    table
    for table in reversed(metadata.sorted_tables)  # Referring tables before the ones they refer to.
    if "account_id" in table.c and table is not erased_account
)
"""Every table with rows of accounts, in the order to delete from."""

_AMONG: Final = select(erased_account.c.account_id).where(
    erased_account.c.account_id == any_(bindparam("account_ids", type_=ARRAY(Text)))
)


def hold_erasures(connection: Connection) -> None:
    """
    Let no account be erased before this transaction ends.

    Without it a row stored beside an erasure would outlive it: neither transaction sees the other. Take it
    before locks on rows that an erasure deletes.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": _LOCK})


def apply_erasures(connection: Connection, batch: Batch) -> Batch:
    """
    Erase the accounts that *batch* erases, and return what of it may be stored: nothing of an erased account.
    """
    if batch.erased:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _erase(connection, sorted(batch.erased))
    else:
        hold_erasures(connection)
    among = connection.execute(_AMONG, {"account_ids": sorted(batch.account_ids())})
    return batch.without(frozenset(among.scalars()))


def delete_erased(connection: Connection, table: Table) -> int:
    """Delete from *table* the rows of erased accounts; how many there were."""
    erased = select(erased_account.c.account_id)
    return connection.execute(delete(table).where(table.c.account_id.in_(erased))).rowcount


def readmit(connection: Connection, account_id: str) -> bool:
    """Have records of *account_id* stored again from now on; whether it was erased."""
    row = delete(erased_account).where(erased_account.c.account_id == account_id)
    return connection.execute(row).rowcount > 0


def _erase(connection: Connection, account_ids: Collection[str]) -> None:
    connection.execute(
        insert(erased_account).on_conflict_do_nothing(),
        [{"account_id": account_id} for account_id in account_ids],
    )
    for table in TABLES_OF_ACCOUNTS:
        connection.execute(delete(table).where(table.c.account_id.in_(account_ids)))
    # Of every consumer group: the rows above are of all of them, too.
    keys = [account_id.encode() for account_id in account_ids]
    connection.execute(delete(sink_rejected).where(sink_rejected.c.key.in_(keys)))
