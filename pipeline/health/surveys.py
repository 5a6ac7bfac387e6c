"""
The surveys of one account: how many were sent and what was answered, per day; no person, no text.

What an answer is worth is the scorecard's business, so the answers themselves are kept.
"""

from array import array
from typing import NamedTuple

from pipeline.health.events import SurveyKind, SurveyResponse
from pipeline.health.people import SPONSORS
from pipeline.health.scorecard import Sentiment

MEMORY_DAYS = 91
"""Days that are kept, the newest included."""

KINDS: tuple[SurveyKind, ...] = ("UNKNOWN", "NPS", "CSAT", "CES")

_WIDTH = 4
_MOST = 0xFFFF


class Answers(NamedTuple):
    """
    *number* equal answers of one day, high ones good; *what* is twice a place in ``KINDS``, plus 1 for a
    decision-maker; 0 counts surveys sent.
    """

    day: int
    what: int
    answer: int
    number: int


class Valued(NamedTuple):
    """
    *number* equal answers of one day, how much each of them weighs, and their points; None counts surveys
    sent.
    """

    day: int
    number: int
    weight: float
    points: float | None


class Surveys:
    """
    Rows of ``Answers``, sorted: sums, so that the order of arrival cannot show.

    Days are dropped by ``forget``. Every day asks what the answers are worth and they seldom change, so the
    component keeps *valued* until they do, with the numbers it valued them by.
    """

    __slots__ = ("forgotten_day", "rows", "valued")

    def __init__(self) -> None:
        self.rows = array("H")
        self.forgotten_day = -1
        self.valued: tuple[Sentiment, list[Valued]] | None = None

    def apply(self, event: SurveyResponse, day: int) -> bool:
        """
        Count a survey sent or answered; False when *day* is no longer kept, or the kind is not known here.
        """
        kind = KINDS.index(event.kind)
        if day <= self.forgotten_day or event.step == "UNKNOWN" or not kind:
            return False
        if event.step == "SENT" or event.score is None:
            self._add(day, 0, 0)
        else:
            decision_maker = event.role in SPONSORS
            self._add(day, 2 * kind + decision_maker, _high_is_good(event, event.score))
        return True

    def answers(self) -> list[Answers]:
        """Everything kept, oldest day first."""
        row = iter(self.rows)
        return list(map(Answers._make, zip(row, row, row, row, strict=True)))

    def forget(self, day: int) -> None:
        """Drop what is older than ``MEMORY_DAYS`` on *day*."""
        rows, last = self.rows, day - MEMORY_DAYS
        if last <= self.forgotten_day:
            return
        self.forgotten_day = last
        end = 0
        while end < len(rows) and rows[end] <= last:
            end += _WIDTH
        if end:
            del rows[:end]
            self.valued = None

    def _add(self, day: int, what: int, answer: int) -> None:
        rows = self.rows
        self.valued = None
        row = (day, what, answer)
        at = len(rows)
        while at and (rows[at - 4], rows[at - 3], rows[at - 2]) > row:
            at -= _WIDTH
        if at and (rows[at - 4], rows[at - 3], rows[at - 2]) == row:
            rows[at - 1] = min(rows[at - 1] + 1, _MOST)
        else:
            rows[at:at] = array("H", (*row, 1))


def _high_is_good(event: SurveyResponse, score: int) -> int:
    return score if event.higher_is_better else event.scale_min + event.scale_max - score
