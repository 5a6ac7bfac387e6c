"""
The signs, in the order they are judged: one that explains points stands before those that ask. To add one: a
file, a line here, its numbers in ``health/scorecard.py`` (docs/scoring.md, "Adding to it").
"""

from typing import Final

from pipeline.health.signs.band import BAND
from pipeline.health.signs.score_drop import SCORE_DROP
from pipeline.health.signs.sign import Finding, Sign, never
from pipeline.health.signs.went_dark import WENT_DARK

SIGNS: Final = (WENT_DARK, SCORE_DROP, BAND)

__all__ = ["SIGNS", "Finding", "Sign", "never"]
