"""
Numbers that options take: what click's own ranges let pass, and a database or a clock cannot use, is wrong
usage.
"""

import math
from typing import Any, Final

import click

_MOST: Final = 2**31 - 1
"""PostgreSQL's largest integer."""

AT_LEAST_ONE: Final = click.IntRange(1, _MOST)
"""How many rows to show of a query."""

NONE_OR_MORE: Final = click.IntRange(0, _MOST)


class FiniteRange(click.FloatRange):
    """A range of floats without NaN, which is in every range of click's, and without infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a finite float in the range, or fail as click's own types do."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number
