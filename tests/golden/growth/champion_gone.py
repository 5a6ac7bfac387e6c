"""Champion gone: a sponsor is missing, and people write to us."""

from operator import attrgetter

from pipeline.health.account import AccountState
from pipeline.health.derived_state import Alert
from pipeline.health.dirty import SURVEYS
from pipeline.health.scorecard import ChampionGone, Scorecard
from pipeline.health.signs.sign import Finding, Sign


def find(
    state: AccountState,
    _scorecard: Scorecard,
    numbers: ChampionGone,
    _alert: Alert | None,
    _explained: tuple[str, ...],
) -> Finding | None:
    """As many sponsors and notes as the scorecard says."""
    if state.key_people.sponsors_missing < numbers.sponsors or state.notes < numbers.notes:
        return None
    return Finding(numbers.severity, "the champion is gone", (), numbers.play, None, None, None)


CHAMPION_GONE = Sign(
    name="champion_gone",
    numbers=attrgetter("champion_gone"),
    detect=find,
    recovered=lambda _state: "the champion is back",
    looks_at=SURVEYS,
)
