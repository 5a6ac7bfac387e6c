"""``telltale db upgrade``: brings the tables in Postgres to what this version needs."""

import click

from pipeline.cli.printing import json_option, print_json


@click.group()
def db() -> None:
    """Bring the Postgres schema up to date."""


@db.command()
@json_option("One JSON object: the revision before and after.")
def upgrade(*, as_json: bool) -> None:
    """Apply the migrations that are missing; those that start together wait for each other."""
    from pipeline.settings import load_settings
    from sinks.postgres import migrations

    dsn = load_settings("database_url").database_url.get_secret_value()
    before = migrations.current(dsn)
    after = migrations.upgrade(dsn)
    if as_json:
        print_json([{"before": before, "after": after}])
    elif before == after:
        click.echo(f"at {after} already")
    else:
        click.echo(f"from {before or 'an empty database'} to {after}")
