"""Past scores of one account, one a UTC day: the last of each day; a day without scoring keeps the one before."""

from array import array

SCORE_DAYS = 29
COMPONENT_DAYS = 8
UNKNOWN = -1
_SCALE = 10_000
_COMPONENT_SCALE = 100


class ScoreHistory:
    """
    The total of the last ``SCORE_DAYS`` days and the components of the last ``COMPONENT_DAYS``, today included.

    The total is kept in ten-thousandths, so that what comes out equals what went in, components in hundredths.
    """

    __slots__ = ("components", "newest", "scores")

    def __init__(self, components: int) -> None:
        self.newest = -1
        self.scores = array("i", [UNKNOWN]) * SCORE_DAYS
        self.components = array("h", [UNKNOWN]) * (COMPONENT_DAYS * components)

    def note(self, day: int, score: float | None, components: list[float | None]) -> None:
        """The scores of *day* as they stand now; never a day before the last one noted."""
        width = len(components)
        if day > self.newest >= 0:
            self._keep_until(day, width)
        self.newest = day
        self.scores[day % SCORE_DAYS] = _packed(score, _SCALE)
        start = day % COMPONENT_DAYS * width
        for place, value in enumerate(components, start):
            self.components[place] = _packed(value, _COMPONENT_SCALE)

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
        """The day with the highest score from *first* to *last* and that score; the latest of equals, None if all unknown."""
        scores = self.scores
        best, best_day = UNKNOWN, -1
        for day in range(max(first, self.newest - SCORE_DAYS + 1), min(last, self.newest) + 1):
            score = scores[day % SCORE_DAYS]
            if score >= best:
                best, best_day = score, day
        return None if best == UNKNOWN else (best_day, best / _SCALE)

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


def _packed(score: float | None, scale: int) -> int:
    return UNKNOWN if score is None else round(score * scale)


def _unpacked(value: int, scale: int) -> float | None:
    return None if value == UNKNOWN else value / scale
