"""How many dead letters wait."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, Site, attention
from pipeline.ops.dead_letter_reader import OPEN, read_dead_letters


def check_dead_letters(site: Site) -> Iterator[Finding]:
    """Count the dead letters that wait for somebody."""
    count = sum(dead_letter.state in OPEN for dead_letter in read_dead_letters(site.client, site.contract))
    way = "`telltale dlq stats` counts them by code and says what helps." if count else ""
    yield Finding(check="dlq", state=attention(count > 0), says=f"dead letters: {count:,}", hint=way)
