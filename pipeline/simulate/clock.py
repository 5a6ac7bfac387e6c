"""
Times of the simulator: ms UTC and days since 1970-01-01 as integers, and how they are written in a line.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# Two times a line are written: looking the minute up takes a third off.
_MINUTES = tuple(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60))


def to_ms(moment: datetime) -> int:
    """Milliseconds UTC of an aware *moment*; a naive one raises TypeError."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def to_datetime(ms: int) -> datetime:
    """Aware UTC datetime of *ms*."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_date(day: int) -> date:
    """Calendar date of a day since 1970-01-01."""
    return date.fromordinal(_EPOCH_ORDINAL + day)


def to_day(calendar_date: date) -> int:
    """Days since 1970-01-01 of *calendar_date*."""
    return calendar_date.toordinal() - _EPOCH_ORDINAL


@lru_cache(maxsize=4096)
def date_text(day: int) -> str:
    """ISO date of a day since 1970-01-01."""
    return to_date(day).isoformat()


def time_text(ms: int) -> str:
    """ISO 8601 time with milliseconds and ``Z``."""
    day, rest = divmod(ms, DAY)
    minute, rest = divmod(rest, MINUTE)
    return f"{date_text(day)}T{_MINUTES[minute]}:{rest // SECOND:02}.{rest % SECOND:03}Z"
