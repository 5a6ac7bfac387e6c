"""
``telltale scorecards``: checks scorecard files, and writes them into the account log, which activates them.
"""

import time
from pathlib import Path

import click

from pipeline.cli.printing import json_option, print_json, print_table

_folder = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Scorecards that stand in for the shipped ones of the same name.  [default: TELLTALE_SCORECARDS]",
)


@click.group()
def scorecards() -> None:
    """Check scorecards and activate them."""


@scorecards.command()
@_folder
@json_option()
def check(folder: Path | None, *, as_json: bool) -> None:
    """Read all scorecards and say what is wrong with them, every fault at once."""
    from pipeline.scorecards import load_scorecards
    from pipeline.settings import load_settings

    cards = load_scorecards(folder or load_settings().scorecards).cards
    if as_json:
        print_json(
            {
                "scorecard": card.name,
                "version": card.version,
                "segments": list(card.segments),
                "onboarding_days": card.onboarding_days or None,
            }
            for card in cards
        )
        return
    rows = [
        (card.name, card.version, f"accounts younger than {card.onboarding_days} days")
        if card.onboarding_days
        else (card.name, card.version, ", ".join(card.segments))
        for card in cards
    ]
    print_table(("scorecard", "version", "serves"), rows)


@scorecards.command()
@_folder
@json_option("One JSON object a line, for each scorecard: the partitions that it was written to.")
def apply(folder: Path | None, *, as_json: bool) -> None:
    """
    Write the scorecards into every partition of the account log, unless they are active there already.

    Every later entry is scored by them, and every account is scored again.
    """
    from pipeline.kafka.client import client_configuration, wait_for_broker
    from pipeline.ops.account_log import AccountLog
    from pipeline.ops.log_readers import refuse_older_readers
    from pipeline.scorecards import load_scorecards
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry

    settings = load_settings("brokers")
    cards = load_scorecards(folder or settings.scorecards)
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=lambda line: click.echo(line, err=True))
    contract = Contract.load(settings.topic_prefix)
    refuse_older_readers(settings, contract)
    registry = open_registry(contract, settings.registry_url.get_secret_value())
    with AccountLog(client, contract, registry, partitions=settings.partitions) as log:
        changed = log.activate(cards, int(time.time() * 1000))
    if as_json:
        print_json(
            {"scorecard": card.name, "version": card.version, "written_to": changed} for card in cards.cards
        )
        return
    names = ", ".join(f"{card.name} {card.version}" for card in cards.cards)
    where = f"written to {len(changed)} partitions" if changed else "active already"
    click.echo(f"{names}: {where}")
