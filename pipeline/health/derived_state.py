"""
How an account stands: what the components, bands and signs made of its state, and what was last handed out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pipeline.health.events import NO_EVENT, Band, LogEntry
from pipeline.health.history import ScoreHistory
from pipeline.health.outputs import Cause

T = TypeVar("T")

MAX_CAUSES = 20


@dataclass(slots=True)
class Alert:
    """
    The present or the last episode of one sign.

    *severity* is a place in ``alerts.SEVERITIES``; *resolved_at* is 0 while it is open; *score_before* is the
    score the account fell from, None if unknown.
    """

    alert_id: str
    story_id: str
    episode: int
    sequence: int
    severity: int
    opened_at: int
    resolved_at: int
    score_before: float | None


class Shown(NamedTuple):
    """The last version handed out: what the next one is compared with."""

    score: float | None
    band: Band
    computed_band: Band
    forced_by: str | None
    coverage: float
    scores: tuple[float | None, ...]
    contributions: tuple[float, ...]
    card_name: str
    card_version: str


NEVER_SHOWN = Shown(None, "UNKNOWN", "UNKNOWN", None, 0.0, (), (), "", "")


class DerivedState:
    """
    Scores and what follows from them; the lists have one place for each of *components*, which are
    ``COMPONENT_NAMES``.

    *look_again_at* is when a component changes though nothing happens, 0 if the passing of days alone changes
    it. *band* is the computed one before band floors, *band_due_at* the end of the hold after which it came,
    None if it came at once; *forced_by* is the band floor in words, *forced_due_at* the deadline that made
    it. *beyond_since* says for each band edge, the highest first, since when the score has been past it and
    its hysteresis, 0 if it is not. *cards_offset* is the log offset of the scorecards that scored last, -1 if
    none did.
    """

    __slots__ = (
        "alerts",
        "band",
        "band_due_at",
        "beyond_since",
        "card_name",
        "cards_offset",
        "causes",
        "causes_count",
        "components",
        "contributions",
        "coverage",
        "forced_by",
        "forced_due_at",
        "fresh_until",
        "history",
        "look_again_at",
        "moved_heard_at",
        "moved_occurred_at",
        "reasons",
        "score",
        "scored_day",
        "scores",
        "shown",
        "version",
    )

    def __init__(self, names: tuple[str, ...]) -> None:
        components = len(names)
        self.components = names
        self.scores: list[float | None] = [None] * components
        self.reasons = [""] * components
        self.fresh_until: list[int | None] = [None] * components
        self.look_again_at = [0] * components
        self.contributions = (0.0,) * components
        self.score: float | None = None
        self.coverage = 0.0
        self.scored_day = 0
        self.card_name = ""
        self.cards_offset = -1
        self.history = ScoreHistory(components)
        self.band: Band = "UNKNOWN"
        self.band_due_at: int | None = None
        self.beyond_since = [0, 0, 0]
        self.forced_by: str | None = None
        self.forced_due_at: int | None = None
        self.alerts: dict[str, Alert] = {}
        self.version = 0
        self.shown = NEVER_SHOWN
        self.causes: list[Cause] = []
        self.causes_count = 0
        self.moved_occurred_at: int | None = None
        self.moved_heard_at: int | None = None

    def arrange(self, names: tuple[str, ...]) -> None:
        """
        Hold the components *names*, in their order, instead of those held so far.

        One that is new here has not been assessed; where one is gone, the account is judged again when it is
        heard of next.
        """
        if names == self.components:
            return
        held = self.components
        places = [held.index(name) if name in held else None for name in names]
        self.scores = _arranged(self.scores, places, None)
        self.reasons = _arranged(self.reasons, places, "")
        self.fresh_until = _arranged(self.fresh_until, places, None)
        self.look_again_at = _arranged(self.look_again_at, places, 0)
        self.contributions = tuple(_arranged(self.contributions, places, 0.0))
        self.history.arrange(len(held), places)
        if self.shown.scores:
            self.shown = self.shown._replace(
                scores=tuple(_arranged(self.shown.scores, places, None)),
                contributions=tuple(_arranged(self.shown.contributions, places, 0.0)),
            )
        if not set(held) <= set(names):
            self.scored_day = 0
        self.components = names

    def note_cause(self, entry: LogEntry) -> None:
        """Note an event that moved something, for the next version to name."""
        event = entry.body
        assert not isinstance(event, NO_EVENT)
        self.causes_count += 1
        self.causes.append(
            Cause(
                event_id=event.event_id,
                topic=entry.source,
                partition=entry.partition,
                offset=entry.offset,
                occurred_at=event.occurred_at,
            )
        )
        if len(self.causes) > MAX_CAUSES:
            del self.causes[0]
        self.moved_occurred_at = event.occurred_at
        self.moved_heard_at = entry.observed_at


def _arranged(values: Sequence[T], places: list[int | None], new: T) -> list[T]:
    return [new if place is None else values[place] for place in places]
