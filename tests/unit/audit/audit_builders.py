"""
A history of two accounts, and what a worker and a sink that were never disturbed leave of it, in memory.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pipeline.audit.differences import Findings, Made
from pipeline.audit.partition_check import PartitionCheck
from pipeline.audit.row_check import RowCheck
from pipeline.audit.topic_check import TopicCheck
from pipeline.audit.written_records import WrittenOutputs, WrittenRecord, WrittenStates
from pipeline.health.events import LogEntry, Login, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent, HealthChange, HealthSnapshot
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.outputs import OutputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import encode_account, encode_record, position_of
from sinks.postgres.stored import ExpectedRows, StoredRows, key_of

CONTRACT = Contract.load()
REGISTRY = EmbeddedRegistry(CONTRACT)
TOPICS = [topic.name for topic in CONTRACT.outputs]
EXPECTED = ExpectedRows(CONTRACT, REGISTRY)
START, DAY = 1_770_000_000_000, 86_400_000
ACCOUNTS = ("acme", "beta")


def history() -> list[tuple[str, LogEntry]]:
    """Weeks of logins of two accounts, then a long tick in which both go dark, then one login more."""
    log = [("", LogEntry(START, "", 0, 0, Scorecards(list(load_scorecards().documents))))]
    for day in range(20):
        at = START + day * DAY
        for number, account_id in enumerate(ACCOUNTS):
            login = Login(f"login-{day}", at, b"somebody", "USER", "WEB")
            log.append((account_id, LogEntry(at, "login", 0, 2 * day + number, login)))
        log.append(("", LogEntry(at, "", 0, 0, Tick())))
    log.append(("", LogEntry(START + 40 * DAY, "", 0, 0, Tick())))
    late = Login("late", START + 40 * DAY, b"somebody", "USER", "WEB")
    return [*log, ("acme", LogEntry(START + 40 * DAY, "login", 0, 100, late))]


@dataclass
class Written:
    """What a worker that has written every step leaves of the history."""

    log: list[tuple[str, LogEntry]] = field(default_factory=history)
    values: dict[str, bytes] = field(default_factory=dict)
    record: bytes = b""
    outputs: WrittenOutputs = field(default_factory=WrittenOutputs)

    def fold(self, *, until: int = 1 << 30, timers: int = 1 << 30) -> "Written":
        """Write all up to the entry *until*, and of that one as many *timers*, each a step of its own."""
        fold = PartitionFold(0, read_documents)
        for offset, (account_id, entry) in enumerate(self.log[: until + 1]):
            if isinstance(entry.body, Login):
                fold.apply(account_id, entry, offset)
            else:
                while not fold.advance(entry, offset, 1):
                    self._write(fold)
                    if (offset, fold.timers_fired) == (until, timers):
                        return self
            self._write(fold)
        return self

    def _write(self, fold: PartitionFold) -> None:
        step, encoder, written = fold.take_step(), OutputEncoder(CONTRACT, REGISTRY), self.outputs
        for account_id, output in step.outputs:
            offset = len(written.changes) + len(written.alerts)
            match output:
                case HealthChange():
                    found = WrittenRecord(account_id, output.version, offset, encoder.encode(output)[1])
                    written.changes[account_id, output.version] = found
                case HealthSnapshot():
                    found = WrittenRecord(account_id, output.version, offset, encoder.encode(output)[1])
                    written.snapshots[account_id] = found
                case AlertEvent():
                    found = WrittenRecord(account_id, output.sequence, offset, encoder.encode(output)[1])
                    written.alerts[output.alert_id, output.sequence] = found
        position = position_of(fold)
        self.values |= {name: encode_account(position, state) for name, state in step.changed.items()}
        self.record = encode_record(fold.record())

    def stored(self) -> StoredRows:
        """The rows of a sink that has stored all of it."""
        rows = StoredRows(next_offsets={(topic, 0): 1 << 30 for topic in TOPICS})
        written = self.outputs
        tables: tuple[Mapping[Any, WrittenRecord], ...] = (written.snapshots, written.changes, written.alerts)
        for topic, records in zip(TOPICS, tables, strict=True):
            for record in records.values():
                for table, row in EXPECTED.of(topic, record.value).items():
                    rows.tables[table][key_of(table, row)] = row
        return rows

    def check(self, rows: StoredRows | None = None) -> Findings:
        """Hold it, and the *rows* if there are some, against the whole log."""
        findings = Findings()
        row_check = None if rows is None else RowCheck(rows, EXPECTED, findings)
        check = PartitionCheck(
            0,
            findings,
            accounts=None,
            states=WrittenStates(accounts=self.values, record=self.record or None),
            topics=TopicCheck(0, deepcopy(self.outputs), findings, contract=CONTRACT, registry=REGISTRY),
            rows=row_check,
        )
        for offset, (account_id, entry) in enumerate(self.log):
            check.take(Made(offset, entry), account_id)
        check.finish()
        if row_check is not None:
            row_check.finish()
        return findings

    def differing(self, rows: StoredRows | None = None) -> list[tuple[Any, ...]]:
        """Account, version and field of each difference."""
        return [(found.account_id, found.version, found.field) for found in self.check(rows).differences]
