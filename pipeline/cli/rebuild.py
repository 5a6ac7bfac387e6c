"""``telltale rebuild``: the health state recreated from the account log, under a new epoch."""

from dataclasses import asdict

import click

from pipeline.cli.printing import json_option, print_json


@click.command()
@click.option(
    "--from-what-is-left",
    "skip_lost",
    is_flag=True,
    help="Make the state without the entries the log has lost, instead of refusing.",
)
@json_option("One JSON object a line, for each partition as it is complete.")
def rebuild(*, skip_lost: bool, as_json: bool) -> None:
    """
    Rebuild the health state from the account log, for instance after the changelog was lost.

    The health workers may run on meanwhile. At the end each of them stops, and goes on under the new epoch
    when it is started again, which `telltale run` and any supervisor do by themselves. If this command is
    ended before it is done, run it again. What it makes lies in TMPDIR, by default /var/tmp, until it is
    written.
    """
    from agents.lane.fences import Lease
    from pipeline.kafka.client import client_configuration, wait_for_broker
    from pipeline.kafka.topics import topic_ids
    from pipeline.ops.topic_plan import HEALTH_GROUP, changelog_name
    from pipeline.rebuild.rebuild import HealthTable, Rebuild
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry

    settings = load_settings("brokers")
    contract = Contract.load(settings.topic_prefix)
    client = client_configuration(settings.brokers, settings.security)
    wait_for_broker(client, say=_say)
    table = HealthTable(
        group=settings.topic_prefix + HEALTH_GROUP,
        changelog=changelog_name(contract),
        topic_id=topic_ids(client, [contract.log.name]).get(contract.log.name, ""),
    )
    rebuilding = Rebuild(
        client,
        contract=contract,
        registry=open_registry(contract, settings.registry_url.get_secret_value()),
        table=table,
        lease_seconds=Lease(settings.session_seconds).seconds,
        say=_say,
    )
    for done in rebuilding.run(skip_lost=skip_lost):
        if as_json:
            print_json([asdict(done)])
            continue
        click.echo(
            f"partition {done.partition}: epoch {done.epoch}, {done.entries:,} entries, {done.accounts:,} accounts,"
            f" {done.versions:,} versions, {done.alerts:,} alert events"
        )


def _say(line: str) -> None:
    click.echo(line, err=True)
