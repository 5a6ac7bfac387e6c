"""Champion gone: a sponsor is missing while others go on."""

from operator import attrgetter

from pipeline.health.account import AccountState
from pipeline.health.derived_state import Alert
from pipeline.health.scorecard import ChampionGone, Scorecard
from pipeline.health.signs.sign import Finding, Sign


def find(
    state: AccountState,
    _scorecard: Scorecard,
    numbers: ChampionGone,
    _alert: Alert | None,
    _explained: tuple[str, ...],
) -> Finding | None:
    """As many sponsors as the scorecard says."""
    if state.key_people.sponsors_missing < numbers.sponsors:
        return None
    return Finding(numbers.severity, "the champion is gone", (), numbers.play, None, None, None)


CHAMPION_GONE = Sign(
    name="champion_gone",
    numbers=attrgetter("champion_gone"),
    detect=find,
    recovered=lambda _state: "the champion is back",
)
