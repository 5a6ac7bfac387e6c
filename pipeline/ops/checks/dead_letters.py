"""How many dead letters wait."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, Site, attention
from pipeline.ops.dead_letter_reader import OPEN, read_letters


def check_dead_letters(site: Site) -> Iterator[Finding]:
    """Count the dead letters that wait for somebody."""
    count = sum(letter.state in OPEN for letter in read_letters(site.client, site.contract))
    way = "`telltale dlq stats` counts them by code and says what helps." if count else ""
    yield Finding(check="letters", state=attention(count > 0), says=f"dead letters: {count:,}", way_out=way)
