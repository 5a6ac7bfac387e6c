"""The rows in Postgres held against those that the outputs should have become."""

from typing import Any, Final

from pipeline.audit.differences import Findings, Made, differing_fields
from pipeline.audit.topic_check import Expected
from sinks.postgres.rows import Row
from sinks.postgres.stored import ExpectedRows, Key, StoredRows, key_of

_RANKS: Final = {"account": "version", "health_snapshot": "version", "alert": "sequence"}
"""Tables that have the latest only, and what rises from one to the next."""


class RowCheck:
    """
    Compares *stored* with the rows of a partition's outputs, and notes in *findings* what it finds.

    A row must be there when the sink has the record of it behind it. Rows of another epoch than the output's
    are from before a rebuild, or from one since.
    """

    def __init__(self, stored: StoredRows, expected: ExpectedRows, findings: Findings) -> None:
        self._stored = stored
        self._expected = expected
        self._findings = findings
        self._met: set[tuple[str, Key]] = set()
        self._epochs: dict[str, int] = {}
        self._latest_due: dict[tuple[str, Key], tuple[Row, Made]] = {}
        """The newest row that must be there, by table and key."""

    def compare(self, output: Expected, made: Made) -> None:
        """Compare the rows of *output*, which *made* made."""
        end = self._stored.next_offsets.get((output.topic, output.partition), 0)
        is_stored = output.record is not None and output.record.offset < end
        is_quarantined = (
            output.record is not None
            and (output.topic, output.partition, output.record.offset) in self._stored.quarantined
        )
        for table, row in self._expected.of(output.topic, output.value).items():
            if row["account_id"] in self._stored.erased:
                continue
            self._epochs[row["account_id"]] = row["epoch"]
            key = key_of(table, row)
            there = self._stored.tables[table].get(key)
            rank = _RANKS.get(table)
            if rank is not None:
                if there is not None and there[rank] == row[rank]:
                    self._compare_row(table, key, there, row, made, is_earlier=output.is_earlier)
                if is_stored and not is_quarantined:
                    self._latest_due[table, key] = row, made
            elif there is not None:
                self._compare_row(table, key, there, row, made, is_earlier=output.is_earlier)
            elif is_stored:
                there_is = "none: quarantined, see `telltale sink rejected`" if is_quarantined else "none"
                self._add(table, ("row", there_is, "a row"), row, made)
            elif output.record is not None or not output.is_due:
                self._findings.lag["rows"] += 1

    def finish(self) -> None:
        """Note the rows that are missing or too old, and those that follow from nothing."""
        for (table, key), (row, made) in self._latest_due.items():
            there, rank = self._stored.tables[table].get(key), _RANKS[table]
            if there is None or (there["epoch"], there[rank]) < (row["epoch"], row[rank]):
                self._add(table, (rank, "no row" if there is None else there[rank], row[rank]), row, made)
        for table, rows in self._stored.tables.items():
            for key, row in rows.items():
                # Of an account without any output there is no epoch, and no row either.
                if row["account_id"] in self._stored.erased:
                    self._add(table, ("row", "a row", "none: the account is erased"), row, None)
                elif (
                    row["epoch"] == self._epochs.get(row["account_id"], row["epoch"])
                    and (table, key) not in self._met
                ):
                    self._add(table, ("row", "a row", "none: it does not follow from the log"), row, None)

    def _compare_row(
        self, table: str, key: Key, there: Row, row: Row, made: Made, *, is_earlier: bool
    ) -> None:
        if there["epoch"] != row["epoch"]:
            return  # From before a rebuild: history is not overwritten.
        self._met.add((table, key))
        if is_earlier:
            self._findings.earlier["rows"] += 1
            return
        differing = list(differing_fields(there, row))
        for found in differing:
            self._add(table, found, row, made)
        if not differing:
            self._findings.compared["rows"] += 1

    def _add(self, table: str, differing: tuple[str, Any, Any], row: Row, made: Made | None) -> None:
        version = row.get("sequence", row["version"])
        self._findings.add(row["account_id"], f"table {table}", [differing], made, version=version)
