"""
One run of ``telltale verify``: reads what was written, folds the log, and compares partition by partition.

    TelltaleError
    └── UnknownAccount    there is no state of an account that was named
"""

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from pipeline.audit.differences import Findings, Made
from pipeline.audit.partition_check import PartitionCheck
from pipeline.audit.row_check import RowCheck
from pipeline.audit.topic_check import TopicCheck
from pipeline.audit.written_records import Accounts, WrittenStates, read_outputs, read_states
from pipeline.errors import TelltaleError
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Record, partitions_of, read_topic
from pipeline.ops.topic_plan import changelog_name
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import Registry
from sinks.postgres.stored import ExpectedRows, RowReader


class UnknownAccount(TelltaleError):  # noqa: N818 - reads as what happened
    """There is no state of this account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Where everything is; *rows* is None without a database. *say* is told of what is missing from the log."""

    client: Configuration
    contract: Contract
    registry: Registry
    rows: RowReader | None
    say: Callable[[str], None]

    def run(self, chosen: Accounts, findings: Findings) -> int:
        """
        Check the *chosen* accounts; how many there are.

        Rows are read first and the log last: a row is there when its record is behind the sink, and all that is
        written follows from the log.
        """
        rows = None
        if self.rows is not None:
            expected = ExpectedRows(self.contract, self.registry)
            rows = RowCheck(self.rows.read(chosen), expected, findings)
        states = read_states(self.client, changelog_name(self.contract), chosen)
        unknown = set(chosen or ()).difference(*(found.accounts for found in states.values()))
        if unknown:
            raise UnknownAccount(
                f"no state of {', '.join(sorted(unknown))}", hint="`telltale accounts` lists the ids."
            )
        checks = self._checks(chosen, states, rows, findings)
        for made, record in self._log(checks.keys()):
            checks[record.partition].take(made, (record.key or b"").decode())
        for check in checks.values():
            check.finish()
        if rows is not None:
            rows.finish()
        return sum(len(check.accounts) for check in checks.values())

    def sample(self, count: int, seed: int) -> frozenset[str]:
        """*count* of the accounts that have a state, or all if there are fewer; the same for the same *seed*."""
        known = {record.key or b"" for record in read_topic(self.client, changelog_name(self.contract))}
        names = sorted(key.decode() for key in known if not key.startswith(b"\0"))
        return frozenset(random.Random(seed).sample(names, min(count, len(names))))  # noqa: S311 - a choice, not a secret

    def _checks(
        self,
        chosen: Accounts,
        states: Mapping[int, WrittenStates],
        rows: RowCheck | None,
        findings: Findings,
    ) -> dict[int, PartitionCheck]:
        """One for each partition that may hold one of the *chosen* accounts, with what its topics hold."""
        contract, registry = self.contract, self.registry
        here = {
            partition: states.get(partition, WrittenStates())
            for partition in partitions_of(self.client, contract.log.name)
        }
        if chosen is not None:
            here = {partition: found for partition, found in here.items() if found.accounts}
        epochs = {partition: found.position.epoch for partition, found in here.items()}
        written = read_outputs(self.client, contract, registry, epochs=epochs, accounts=chosen)
        return {
            partition: PartitionCheck(
                partition,
                findings,
                accounts=chosen,
                states=found,
                topics=TopicCheck(
                    partition, written[partition], findings, contract=contract, registry=registry
                ),
                rows=rows,
            )
            for partition, found in here.items()
        }

    def _log(self, partitions: Collection[int]) -> Iterator[tuple[Made, Record]]:
        name = self.contract.log.name
        decode = LogCodec(self.contract, self.registry).decode
        begun: set[int] = set()
        for record in read_topic(self.client, name, start=dict.fromkeys(partitions, 0)):
            if record.partition not in begun and record.offset:
                lost = f"warning: {name}[{record.partition}] begins at offset {record.offset}"
                self.say(f"{lost}: what stood before is missing from all that is computed")
            begun.add(record.partition)
            yield Made(record.offset, decode(record.value or b"")), record
