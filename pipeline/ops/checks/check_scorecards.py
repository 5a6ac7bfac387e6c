"""Whether the log has the scorecards that the files say."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, Site
from pipeline.scorecards import load_scorecards


def check_scorecards(site: Site) -> Iterator[Finding]:
    """Compare the scorecards in the log with the files."""
    cards = load_scorecards(site.settings.scorecards)
    names = ", ".join(f"{card.name} {card.version}" for card in cards.cards)
    active = site.log.end().scorecards
    # Where none stands among the newest entries, others may stand further back: only a difference is known
    # for sure.
    if any(documents != cards.documents for documents in active.values()):
        yield Finding(
            check="scorecards",
            state="warn",
            says=f"other scorecards are active than those of the files ({names})",
            hint="`telltale scorecards apply` activates those of the files.",
        )
    else:
        yield Finding(check="scorecards", state="ok", says=names)
