"""
The arithmetic of the total: components and weights into a score, and two sets of components into points
moved.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Total(NamedTuple):
    """
    *score* 0 to 100, None if too little is known; *contributions* in the order of the components, adding up
    to it.
    """

    score: float | None
    coverage: float
    contributions: tuple[float, ...]


def weigh(scores: Sequence[float | None], weights: Sequence[float], least_coverage: float) -> Total:
    """Weighted mean over the components that are known; *coverage* is their share of the weight."""
    total = known = sum(weights)
    if None in scores:
        known = sum([weight for score, weight in zip(scores, weights, strict=True) if score is not None])
    coverage = round(known / total, 4)
    if not known or coverage < least_coverage:
        return Total(None, coverage, (0.0,) * len(scores))
    contributions = [0.0 if s is None else s * w / known for s, w in zip(scores, weights, strict=True)]
    return Total(round(sum(contributions), 4), coverage, tuple(contributions))


def points_moved(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """What each component moved the score by, four decimals."""
    return [round(new - old, 4) for old, new in zip(before, after, strict=True)]
