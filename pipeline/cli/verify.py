"""
``telltale verify``: accounts computed again from the log, against the state, the topics and the rows in
Postgres.
"""

import random
import sys
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from pipeline.audit.differences import Difference, Findings, event_of, shown
from pipeline.cli.printing import json_option, print_json
from pipeline.wire.contract import Contract
from sinks.postgres.group import GROUP

if TYPE_CHECKING:
    from pipeline.audit.written_records import Accounts
    from pipeline.cli.progress_bar import ProgressBar

_COMPARED: Final = ("states", "snapshots", "changes", "alert events", "rows")
_LAG: Final = {
    "entries": "entries of the log not in the state",
    "changes": "changes not in their topic",
    "alert events": "alert events not in theirs",
    "rows": "rows not in Postgres",
}


@click.command()
@click.argument("accounts", nargs=-1)
@click.option("--accounts", "sample", type=click.IntRange(1), help="Only so many accounts, picked at random.")
@click.option("--seed", type=int, help="Pick the accounts that a run with this seed has picked.")
@click.option("--no-database", is_flag=True, help="Leave out the rows in Postgres.")
@json_option("One JSON object a line, for each field that differs.")
def verify(
    accounts: tuple[str, ...], *, sample: int | None, seed: int | None, no_database: bool, as_json: bool
) -> None:
    """
    Compute ACCOUNTS again from the account log, all unless given, and name every difference.

    Compared are the state, the three health topics and the rows in Postgres, each as far as it has come, so
    the pipeline may run meanwhile; what is not written yet is told as lag. Partitions are checked one after
    the other, and no more than one is held in memory. Exit code 1 if anything differs.
    """
    from pipeline.audit.audit import Audit
    from pipeline.cli.progress_bar import ProgressBar
    from pipeline.kafka.client import client_configuration, wait_for_broker
    from pipeline.settings import load_settings
    from pipeline.wire.registry import open_registry
    from sinks.postgres.stored import RowReader

    if accounts and sample:
        raise click.UsageError("Give accounts, or --accounts.")
    if seed is not None and not sample:
        raise click.UsageError("--seed goes with --accounts.")
    settings = load_settings("brokers", *(() if no_database else ("database_url",)))
    contract = Contract.load(settings.topic_prefix)
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    found = Findings()
    with ExitStack() as stack:
        bar = stack.enter_context(ProgressBar("records"))
        dsn, group = settings.database_url.get_secret_value(), settings.topic_prefix + GROUP
        audit = Audit(
            client=client,
            contract=contract,
            registry=open_registry(contract, settings.registry_url.get_secret_value()),
            rows=None if no_database else stack.enter_context(RowReader(dsn, group=group)),
            report=partial(_report, bar=bar, contract=contract, as_json=as_json),
            say=partial(click.echo, err=True),
            progress=bar,
        )
        chosen: Accounts = frozenset(accounts) or None
        if sample:
            seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
            chosen = audit.sample(sample, seed)
            click.echo(f"{len(chosen)} accounts, --seed {seed}", err=True)
        checked = audit.run(chosen, found)
    click.echo(_summary(checked, found), err=True)
    sys.exit(1 if found.fields else 0)


def _report(differences: list[Difference], *, bar: "ProgressBar", contract: Contract, as_json: bool) -> None:
    if not differences:
        return
    with bar.hidden():
        if as_json:
            print_json(_as_json(difference, contract) for difference in differences)
        else:
            click.echo("\n".join(_line(difference, contract) for difference in differences))


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
    lines = [
        f"{checked:,} accounts computed again; as they should be: {counts or 'nothing'}",
        f"{found.fields:,} fields differ, of {len(found.accounts):,} accounts",
    ]
    earlier = ", ".join(f"{found.earlier[what]:,} {what}" for what in _COMPARED if found.earlier[what])
    if earlier:
        lines.append(
            f"not compared, for an earlier arithmetic made them: {earlier}; `telltale rebuild` makes them again"
        )
    lag = ", ".join(f"{found.lag[what]:,} {words}" for what, words in _LAG.items() if found.lag[what])
    if lag:
        lines.append(f"not written yet: {lag}")
    return "\n".join(lines)
