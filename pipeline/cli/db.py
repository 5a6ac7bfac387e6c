"""``telltale db upgrade``: brings the tables in Postgres to what this version needs."""

import click

from pipeline.settings import load_settings
from sinks.postgres import migrations


@click.group()
def db() -> None:
    """Bring the Postgres schema up to date."""


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing; those that start together wait for each other."""
    dsn = load_settings("database_url").database_url.get_secret_value()
    before = migrations.current(dsn)
    after = migrations.upgrade(dsn)
    click.echo(
        f"at {after} already" if before == after else f"from {before or 'an empty database'} to {after}"
    )
