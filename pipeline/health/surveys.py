"""
The surveys of one account: how many were sent and what was answered, per day; no person, no text.

What an answer is worth is the scorecard's business, so the answers themselves are kept.
"""

from array import array
from typing import NamedTuple

from pipeline.health.events import SurveyKind, SurveyResponse
from pipeline.health.people import SPONSORS

MEMORY_DAYS = 91
"""Days that are kept, the newest included."""

KINDS: tuple[SurveyKind, ...] = ("UNKNOWN", "NPS", "CSAT", "CES")

_SCALES = ((0, 1), (0, 10), (1, 5), (1, 7))
_WIDTH = 4


class Answers(NamedTuple):
    """*number* equal answers of one day. *kind* 0 counts surveys sent; *answer* is in hundredths on the kind's own scale."""

    day: int
    kind: int
    decision_maker: bool
    answer: int
    number: int


class Surveys:
    """
    Rows of (day, 2 x kind + decision-maker, answer, count), sorted: sums, so that the order of arrival cannot show.

    Days are dropped by ``forget``.
    """

    __slots__ = ("forgotten_day", "rows")

    def __init__(self) -> None:
        self.rows = array("i")
        self.forgotten_day = -1

    def apply(self, event: SurveyResponse, day: int) -> bool:
        """Count a survey sent or answered; False when *day* is no longer kept, or the kind is not known here."""
        kind = KINDS.index(event.kind)
        if day <= self.forgotten_day or event.step == "UNKNOWN" or not kind:
            return False
        if event.step == "SENT" or event.score is None:
            self._add(day, 0, 0)
        else:
            decision_maker = event.role in SPONSORS
            self._add(day, 2 * kind + decision_maker, round(100 * on_own_scale(event, event.score)))
        return True

    def answers(self) -> list[Answers]:
        """Everything kept, oldest day first."""
        rows = self.rows
        return [
            Answers(rows[at], rows[at + 1] // 2, rows[at + 1] % 2 == 1, rows[at + 2], rows[at + 3])
            for at in range(0, len(rows), _WIDTH)
        ]

    def forget(self, day: int) -> None:
        """Drop what is older than ``MEMORY_DAYS`` on *day*."""
        last = day - MEMORY_DAYS
        end = 0
        while end < len(self.rows) and self.rows[end] <= last:
            end += _WIDTH
        del self.rows[:end]
        self.forgotten_day = max(self.forgotten_day, last)

    def _add(self, day: int, what: int, answer: int) -> None:
        rows = self.rows
        row = (day, what, answer)
        at = len(rows)
        while at and (rows[at - 4], rows[at - 3], rows[at - 2]) > row:
            at -= _WIDTH
        if at and (rows[at - 4], rows[at - 3], rows[at - 2]) == row:
            rows[at - 1] += 1
        else:
            rows[at:at] = array("i", (*row, 1))


def on_own_scale(event: SurveyResponse, score: int) -> float:
    """
    The answer on the usual scale of its kind, high always good: NPS 0 to 10, CSAT 1 to 5, CES 1 to 7.

    An answer on another scale is stretched; one whose direction is turned round is turned back.
    """
    low, high = _SCALES[KINDS.index(event.kind)]
    share = (score - event.scale_min) / (event.scale_max - event.scale_min)
    if not event.higher_is_better:
        share = 1 - share
    return low + share * (high - low)
