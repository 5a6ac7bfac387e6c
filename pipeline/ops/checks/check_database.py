"""Whether Postgres is new enough and has our tables."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, NotSet, Site
from sinks.postgres import migrations
from sinks.postgres.connection import OLDEST_SERVER
from sinks.postgres.reading import HealthReader


def check_database(site: Site) -> Iterator[Finding]:
    """Compare the server with the oldest we work with, and the tables with the newest migration."""
    if not site.dsn:
        raise NotSet(
            "TELLTALE_DATABASE_URL is not set", hint="Set it to postgresql://user:password@host/database."
        )
    with HealthReader(site.dsn) as reader:
        server = reader.server_version()
    if server < OLDEST_SERVER:
        yield Finding(
            check="database",
            state="FAIL",
            says=f"PostgreSQL {server} is too old: the sink needs {OLDEST_SERVER} or newer",
            hint="Upgrade the server, or set TELLTALE_DATABASE_URL to a newer one.",
        )
        return
    current, head = migrations.current(site.dsn), migrations.head()
    if current == head:
        yield Finding(check="database", state="ok", says=f"PostgreSQL {server}, tables at {head}")
    else:
        says = f"at {current or 'no revision'}, and {head} is needed"
        yield Finding(check="database", state="FAIL", says=says, hint="Run `telltale db upgrade`.")
