"""Curves of the scorecards: how a measured value becomes points."""

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Curve:
    """
    Straight lines between points ``(x, y)``, *xs* rising; before the first and after the last point it is
    level.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def at(self, x: float) -> float:
        """Height of the curve at *x*."""
        xs, ys = self.xs, self.ys
        right = bisect_right(xs, x)
        if right == 0:
            return ys[0]
        if right == len(xs):
            return ys[-1]
        x0, y0 = xs[right - 1], ys[right - 1]
        return y0 + (ys[right] - y0) * (x - x0) / (xs[right] - x0)


@dataclass(frozen=True, slots=True)
class Steps:
    """Stairs: from each *x* on, its *y* holds; before the first step the first *y*."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def at(self, x: float) -> float:
        """Height of the stairs at *x*."""
        return self.ys[(bisect_right(self.xs, x) or 1) - 1]
