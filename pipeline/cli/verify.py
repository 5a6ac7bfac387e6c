"""``telltale verify``: accounts computed again from the log, against the state, the topics and the rows in Postgres."""

import random
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import click

from pipeline.cli.rows import print_json
from pipeline.cli.topics import changelog_name
from pipeline.cli.verification.differences import Difference, Findings, Made, event_of, shown
from pipeline.cli.verification.partition import PartitionCheck
from pipeline.cli.verification.stored import RowCheck
from pipeline.cli.verification.topics import TopicCheck
from pipeline.cli.verification.written import Accounts, WrittenStates, read_outputs, read_states
from pipeline.errors import TelltaleError
from pipeline.kafka.client import Configuration, client_configuration, wait_for_broker
from pipeline.kafka.records import Record, partitions_of, read_topic
from pipeline.settings import load_settings
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import Registry, open_registry
from sinks.postgres.group import GROUP
from sinks.postgres.stored import ExpectedRows, RowReader

_COMPARED: Final = ("states", "snapshots", "changes", "alert events", "rows")
_LAG: Final = {
    "entries": "entries of the log not in the state",
    "changes": "changes not in their topic",
    "alert events": "alert events not in theirs",
    "rows": "rows not in Postgres",
}


class UnknownAccount(TelltaleError):  # noqa: N818 - reads as what happened
    """There is no state of this account."""


@click.command()
@click.argument("accounts", nargs=-1)
@click.option("--accounts", "sample", type=click.IntRange(1), help="Only so many accounts, picked at random.")
@click.option("--seed", type=int, help="Pick the accounts that a run with this seed has picked.")
@click.option("--no-database", is_flag=True, help="Leave out the rows in Postgres.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for each field that differs.")
def verify(
    accounts: tuple[str, ...], *, sample: int | None, seed: int | None, no_database: bool, as_json: bool
) -> None:
    """
    Compute ACCOUNTS again from the account log, all unless given, and name every difference.

    Compared are the state, the three health topics and the rows in Postgres, each as far as it has come, so the
    pipeline may run meanwhile; what is not written yet is told as lag. Exit code 1 if anything differs.
    """
    if accounts and sample:
        raise click.UsageError("Give accounts, or --accounts.")
    if seed is not None and not sample:
        raise click.UsageError("--seed goes with --accounts.")
    settings = load_settings("brokers", *(() if no_database else ("database_url",)))
    contract = Contract.load(settings.topic_prefix)
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    with ExitStack() as stack:
        dsn = settings.database_url.get_secret_value()
        audit = _Audit(
            client=client,
            contract=contract,
            registry=open_registry(contract, settings.registry_url.get_secret_value()),
            rows=None
            if no_database
            else stack.enter_context(RowReader(dsn, group=settings.topic_prefix + GROUP)),
        )
        chosen: Accounts = frozenset(accounts) or None
        if sample:
            seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
            chosen = audit.sample(sample, seed)
            click.echo(f"{len(chosen)} accounts, --seed {seed}", err=True)
        found = Findings()
        checked = audit.run(chosen, found)
    if as_json:
        print_json(_as_json(difference, contract) for difference in found.differences)
    else:
        for difference in found.differences:
            click.echo(_line(difference, contract))
    click.echo(_summary(checked, found), err=True)
    sys.exit(1 if found.differences else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Audit:
    """Where everything is; *rows* is None without a database."""

    client: Configuration
    contract: Contract
    registry: Registry
    rows: RowReader | None

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
                click.echo(f"{lost}: what stood before is missing from all that is computed", err=True)
            begun.add(record.partition)
            yield Made(record.offset, decode(record.value or b"")), record


def _line(difference: Difference, contract: Contract) -> str:
    version = "" if difference.version is None else f"  version {difference.version}"
    made = "" if difference.made is None else f"; made by {event_of(difference.made, contract)}"
    return (
        f"{difference.account_id or '-'}  {difference.where}{version}  {difference.field}:"
        f" written {shown(difference.written)}, recomputed {shown(difference.recomputed)}{made}"
    )


def _as_json(difference: Difference, contract: Contract) -> dict[str, object]:
    made = None if difference.made is None else event_of(difference.made, contract)._asdict()
    return {
        "account_id": difference.account_id or None,
        "where": difference.where,
        "version": difference.version,
        "field": difference.field,
        "written": _plain(difference.written),
        "recomputed": _plain(difference.recomputed),
        "made_by": made,
    }


def _plain(value: object) -> object:
    """*value* where JSON has it, else as a line shows it."""
    return value if value is None or isinstance(value, str | int | float | Decimal | date) else shown(value)


def _summary(checked: int, found: Findings) -> str:
    counts = ", ".join(f"{found.compared[what]:,} {what}" for what in _COMPARED if found.compared[what])
    differing = {difference.account_id for difference in found.differences}
    lines = [
        f"{checked:,} accounts computed again; as they should be: {counts or 'nothing'}",
        f"{len(found.differences):,} fields differ, of {len(differing):,} accounts",
    ]
    lag = ", ".join(f"{found.lag[what]:,} {words}" for what, words in _LAG.items() if found.lag[what])
    if lag:
        lines.append(f"not written yet: {lag}")
    return "\n".join(lines)
