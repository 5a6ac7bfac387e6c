"""
One run of ``telltale verify``: partition by partition, so that no more than one partition's records are held
at a time.

    TelltaleError
    └── UnknownAccount    there is no state of an account that was named
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.audit.differences import Difference, Findings, Made
from pipeline.audit.partition_check import PartitionCheck
from pipeline.audit.partition_reader import PartitionReader, Progress, Spans
from pipeline.audit.row_check import RowCheck
from pipeline.audit.topic_check import TopicCheck
from pipeline.audit.written_records import Accounts, read_outputs, read_states
from pipeline.errors import TelltaleError
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import offsets, read_topic
from pipeline.ops.topic_plan import changelog_name
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import Registry
from sinks.postgres.stored import ExpectedRows, RowReader

_ROWS_OF_ACCOUNTS: Final = 500
"""Accounts of which nothing but rows is known are looked at so many at a time."""


class UnknownAccount(TelltaleError):  # noqa: N818 - reads as what happened
    """There is no state of this account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """
    Where everything is; *rows* is None without a database.

    *report* gets the differences of each partition when it is done, *say* is told what is missing from the
    log, and *progress* how many records are to be read, and were.
    """

    client: Configuration
    contract: Contract
    registry: Registry
    rows: RowReader | None
    report: Callable[[list[Difference]], None]
    say: Callable[[str], None]
    progress: Progress

    def run(self, chosen: Accounts, findings: Findings) -> int:
        """
        Check the *chosen* accounts; how many there are.

        Of a partition, states are read first, then topics, rows and the log: what is behind a state must be
        written, a row must be there when its record is behind the sink, and all that is written follows from
        the log.
        """
        stray = set() if self.rows is None or chosen is not None else self.rows.accounts()
        spans = self._spans()
        partitions = sorted(number for topic, number in spans if topic == self.contract.log.name)
        if chosen is not None:
            partitions = self._of_chosen(chosen, spans, partitions)
        self.progress.begin(sum(end - first for (_, at), (first, end) in spans.items() if at in partitions))
        checked = 0
        for partition in partitions:
            reader = PartitionReader(self.client, partition, spans, self.progress)
            checked += self._check_partition(reader, chosen, stray, findings)
            self.report(findings.take())
        self._check_stray_rows(stray, findings)
        self.report(findings.take())
        return checked

    def sample(self, count: int, seed: int) -> frozenset[str]:
        """
        *count* of the accounts that have a state, or all if there are fewer; the same for the same *seed*.
        """
        known = {record.key or b"" for record in read_topic(self.client, changelog_name(self.contract))}
        names = sorted(key.decode() for key in known if not key.startswith(b"\0"))
        return frozenset(random.Random(seed).sample(names, min(count, len(names))))  # noqa: S311 - a choice, not a secret

    def _spans(self) -> Spans:
        contract = self.contract
        topics = (contract.log, *contract.outputs)
        return offsets(self.client, [*(topic.name for topic in topics), changelog_name(contract)])

    def _of_chosen(self, chosen: Accounts, spans: Spans, partitions: list[int]) -> list[int]:
        """The *partitions* that hold states of the *chosen* accounts; ``UnknownAccount`` if one has none."""
        changelog, unknown, holding = changelog_name(self.contract), set(chosen or ()), []
        for partition in partitions:
            reader = PartitionReader(self.client, partition, spans)
            found = read_states(reader, changelog, chosen).accounts.keys()
            unknown -= found
            holding += [partition] * bool(found)
        if unknown:
            raise UnknownAccount(
                f"no state of {', '.join(sorted(unknown))}", hint="`telltale accounts` lists the ids."
            )
        return holding

    def _check_partition(
        self, reader: PartitionReader, chosen: Accounts, stray: set[str], findings: Findings
    ) -> int:
        """
        Check one partition, and take the accounts it knows off the *stray* ones; how many accounts the log
        has.
        """
        contract, registry = self.contract, self.registry
        states = read_states(reader, changelog_name(contract), chosen)
        epoch = states.position.epoch
        written = read_outputs(reader, contract, registry, epoch=epoch, accounts=chosen)
        rows = None
        if self.rows is not None:
            accounts = written.accounts() | states.accounts.keys()
            stray -= accounts
            rows = RowCheck(self.rows.read(accounts), ExpectedRows(contract, registry), findings)
        check = PartitionCheck(
            reader.partition,
            findings,
            accounts=chosen,
            states=states,
            topics=TopicCheck(reader.partition, written, findings, contract=contract, registry=registry),
            rows=rows,
        )
        self._fold(reader, check)
        check.finish()
        if rows is not None:
            rows.finish()
        return len(check.accounts)

    def _fold(self, reader: PartitionReader, check: PartitionCheck) -> None:
        name = self.contract.log.name
        decode = LogCodec(self.contract, self.registry).decode
        first = reader.first(name)
        if first:
            lost = f"warning: {name}[{reader.partition}] begins at offset {first}"
            self.say(f"{lost}: what stood before is missing from all that is computed")
        for record in reader.records(name):
            made = Made(record.offset, decode(record.value or b""))
            check.take(made, (record.key or b"").decode())

    def _check_stray_rows(self, stray: set[str], findings: Findings) -> None:
        """Name the rows of accounts that no partition knows."""
        names, expected = sorted(stray), ExpectedRows(self.contract, self.registry)
        for start in range(0, len(names), _ROWS_OF_ACCOUNTS):
            assert self.rows is not None
            some = names[start : start + _ROWS_OF_ACCOUNTS]
            RowCheck(self.rows.read(some), expected, findings).finish()
