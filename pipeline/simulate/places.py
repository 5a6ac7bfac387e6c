"""
Where accounts sit: region, currency, office days.

Summer time is left out: an account's day starts an hour off for half the year, and in return no result
depends on the time-zone data of the machine.
"""

from dataclasses import dataclass

from pipeline.simulate.clock import date_text

MOST_EASTERLY_HOURS = 10
"""The largest ``utc_hours`` of ``PLACES``: no local day begins more than this before its UTC day."""

_SATURDAY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A country as far as a calendar needs it; *holidays* are ``MM-DD`` of those with a fixed date."""

    region: str
    time_zone: str
    utc_hours: int
    currency: str
    holidays: frozenset[str]


PLACES = (
    Place(
        region="EMEA",
        time_zone="Europe/Berlin",
        utc_hours=1,
        currency="EUR",
        holidays=frozenset({"01-01", "05-01", "10-03", "12-24", "12-25", "12-26", "12-31"}),
    ),
    Place(
        region="EMEA",
        time_zone="Europe/Paris",
        utc_hours=1,
        currency="EUR",
        holidays=frozenset({"01-01", "05-01", "05-08", "07-14", "08-15", "11-01", "11-11", "12-25"}),
    ),
    Place(
        region="EMEA",
        time_zone="Europe/London",
        utc_hours=0,
        currency="GBP",
        holidays=frozenset({"01-01", "12-25", "12-26"}),
    ),
    Place(
        region="AMER",
        time_zone="America/New_York",
        utc_hours=-5,
        currency="USD",
        holidays=frozenset({"01-01", "06-19", "07-04", "11-11", "12-25"}),
    ),
    Place(
        region="AMER",
        time_zone="America/Los_Angeles",
        utc_hours=-8,
        currency="USD",
        holidays=frozenset({"01-01", "06-19", "07-04", "11-11", "12-25"}),
    ),
    Place(
        region="APAC",
        time_zone="Asia/Tokyo",
        utc_hours=9,
        currency="USD",
        holidays=frozenset({"01-01", "01-02", "01-03", "04-29", "05-03", "05-04", "05-05", "11-03", "11-23"}),
    ),
    Place(
        region="APAC",
        time_zone="Australia/Brisbane",
        utc_hours=10,
        currency="USD",
        holidays=frozenset({"01-01", "01-26", "04-25", "12-25", "12-26"}),
    ),
)


def is_office_day(place: Place, day: int) -> bool:
    """Neither a weekend nor a public holiday at *place*."""
    # Day 0, 1970-01-01, was a Thursday: weekday 3 where Monday is 0.
    return (day + 3) % 7 < _SATURDAY and date_text(day)[5:] not in place.holidays
