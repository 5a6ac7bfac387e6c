"""Numbers and lengths of time as reasons say them."""

import pytest

from pipeline.health.components.assessment import count, duration
from pipeline.health.windows import DAY, HOUR, MINUTE


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "0 seats"),
        (1, "1 seat"),
        (2.5, "2.5 seats"),
        (1 / 3, "0.333333 seats"),
        (999_999, "999999 seats"),
        (1_000_000, "1,000,000 seats"),
        (1_234_567, "1,234,567 seats"),
    ],
)
def test_a_number_comes_with_its_noun(number: float, says: str) -> None:
    """Of a large one no digit is lost."""
    assert count(number, "seat") == says


@pytest.mark.parametrize(
    ("ms", "says"),
    [
        (-1, "0 min"),
        (-2 * DAY, "0 min"),
        (0, "0 min"),
        (12 * MINUTE, "12 min"),
        (5 * HOUR, "5 h"),
        (5 * HOUR + 10 * MINUTE, "5 h 10 min"),
        (72 * HOUR, "3 days"),
    ],
)
def test_a_length_of_time_is_told_as_people_do(ms: int, says: str) -> None:
    """One below 0, of clocks that differ, is none."""
    assert duration(ms) == says
