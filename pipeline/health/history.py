"""
Past scores of one account, one a UTC day: the last of each day; a day without scoring keeps the one before.
"""

from array import array

SCORE_DAYS = 29
COMPONENT_DAYS = 8
UNKNOWN = -1
_SCALE = 10_000
_COMPONENT_SCALE = 100


class ScoreHistory:
    """
    The total of the last ``SCORE_DAYS`` days and the components of the last ``COMPONENT_DAYS``, today
    included.

    The total is kept in ten-thousandths, so that what comes out equals what went in, components in
    hundredths.
    """

    __slots__ = ("components", "newest", "scores")

    def __init__(self, components: int) -> None:
        self.newest = -1
        self.scores = array("i", [UNKNOWN]) * SCORE_DAYS
        self.components = array("h", [UNKNOWN]) * (COMPONENT_DAYS * components)

    def note(self, day: int, score: float | None, components: list[float | None]) -> None:
        """The scores of *day* as they stand now; never a day before the last one noted."""
        width = len(components)
        if day > self.newest + 1 > 0:
            self._keep_until(day, width)
        self.newest = day
        self.scores[day % SCORE_DAYS] = UNKNOWN if score is None else round(score * _SCALE)
        kept = self.components
        place = day % COMPONENT_DAYS * width
        for value in components:
            kept[place] = UNKNOWN if value is None else round(value * _COMPONENT_SCALE)
            place += 1

    def arrange(self, held: int, places: list[int | None]) -> None:
        """
        Keep, of *held* components, those at *places*, in that order; None stands for one that was not known
        so far.
        """
        days = [self.components[start : start + held] for start in range(0, COMPONENT_DAYS * held, held)]
        self.components = array(
            "h", [UNKNOWN if place is None else day[place] for day in days for place in places]
        )

    def score_on(self, day: int) -> float | None:
        """Last score of *day*; None if it was unknown or is too long ago."""
        if not self.newest - SCORE_DAYS < day <= self.newest:
            return None
        return _unpacked(self.scores[day % SCORE_DAYS], _SCALE)

    def components_on(self, day: int) -> list[float | None]:
        """Last component scores of *day*, within the last ``COMPONENT_DAYS``."""
        width = len(self.components) // COMPONENT_DAYS
        if not self.newest - COMPONENT_DAYS < day <= self.newest:
            return [None] * width
        start = day % COMPONENT_DAYS * width
        return [_unpacked(value, _COMPONENT_SCALE) for value in self.components[start : start + width]]

    def highest(self, first: int, last: int) -> tuple[int, float] | None:
        """
        The day with the highest score from *first* to *last* and that score; the latest of equals, None if
        all unknown.
        """
        scores = self.scores
        first, last = max(first, self.newest - SCORE_DAYS + 1), min(last, self.newest)
        start, end = first % SCORE_DAYS, last % SCORE_DAYS
        # Slices, for every account is asked every day.
        in_order = scores[start : end + 1] if start <= end else scores[start:] + scores[: end + 1]
        best = max(in_order) if first <= last else UNKNOWN
        if best == UNKNOWN:
            return None
        in_order.reverse()
        return last - in_order.index(best), best / _SCALE

    def _keep_until(self, day: int, width: int) -> None:
        newest = self.newest
        score = self.scores[newest % SCORE_DAYS]
        start = newest % COMPONENT_DAYS * width
        components = self.components[start : start + width]
        for missed in range(max(newest + 1, day - SCORE_DAYS + 1), day):
            self.scores[missed % SCORE_DAYS] = score
        for missed in range(max(newest + 1, day - COMPONENT_DAYS + 1), day):
            start = missed % COMPONENT_DAYS * width
            self.components[start : start + width] = components


def _unpacked(value: int, scale: int) -> float | None:
    return None if value == UNKNOWN else value / scale
