"""``telltale settings``: every setting with its meaning, its value, and where that comes from."""

import click

from pipeline.cli.printing import json_option, print_json, print_table


@click.command()
@json_option()
def settings(*, as_json: bool) -> None:
    """
    List the settings: name, value, where it comes from, meaning.

    They are environment variables, or keys of the TOML file that TELLTALE_CONFIG names (lower case, without
    TELLTALE_); the environment wins. Secrets are masked.
    """
    from pipeline.settings import described_settings

    rows = described_settings()
    if as_json:
        print_json(row._asdict() for row in rows)
    else:
        print_table(
            ("setting", "value", "from", "meaning"),
            [(r.name, r.value or None, r.source, r.meaning) for r in rows],
        )
