"""
The stream of a portfolio: the same for the same arguments, in order, and like the real thing where it is
untidy.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

import pytest

from pipeline.simulate.portfolio import Portfolio, ndjson, portfolio
from pipeline.simulate.profile import Sizes

START = datetime(2026, 3, 2, tzinfo=UTC)
SMALL = Sizes(small=(5, 8), mid=(10, 20), enterprise=(40, 60))


def a_portfolio(*, seed: int = 7, accounts: int = 40, days: int = 130) -> Portfolio:
    return portfolio(seed=seed, accounts=accounts, start=START, end=START + timedelta(days=days), sizes=SMALL)


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    return list(a_portfolio().lines())


def digest(portfolio: Portfolio) -> str:
    hashed = sha256()
    for line in ndjson(portfolio.lines()):
        hashed.update(line.encode())
    return hashed.hexdigest()


def moment(line: dict[str, Any], field: str) -> datetime:
    return datetime.fromisoformat(line[field])


def of_type(lines: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def test_the_same_arguments_give_the_same_bytes() -> None:
    """Two portfolios of one seed agree to the byte, and so does one that is read twice."""
    first = a_portfolio(accounts=10, days=40)

    assert digest(first) == digest(first) == digest(a_portfolio(accounts=10, days=40))


def test_another_seed_gives_other_accounts_and_other_events() -> None:
    """Nothing of a portfolio comes back under another seed, so that both may be sent to one broker."""
    first, second = (list(a_portfolio(seed=seed, accounts=10, days=20).lines()) for seed in (7, 8))

    assert not {line["event_id"] for line in first} & {line["event_id"] for line in second}


def test_accounts_come_first_and_then_everything_in_the_order_of_its_delivery(
    lines: list[dict[str, Any]],
) -> None:
    """
    The accounts there are at the start are known before the first event; times of observation never fall.
    """
    kinds = [line["type"] for line in lines]
    opening = kinds.index("login")
    observed = [line["observed_at"] for line in lines]

    assert set(kinds[:opening]) == {"account"}
    assert opening >= 36
    assert observed == sorted(observed)
    assert moment(lines[0], "observed_at") == START
    assert moment(lines[-1], "observed_at") < START + timedelta(days=130)


def test_a_portfolio_that_ends_earlier_is_the_beginning_of_the_longer_one() -> None:
    """Where the reading stops changes nothing of what came before: so history and live part fit together."""
    whole = a_portfolio(accounts=10, days=40)
    short = Portfolio(
        seed=whole.seed,
        start=whole.start,
        end=START + timedelta(days=20),
        lives=whole.lives,
        stories=whole.stories,
    )

    beginning = list(short.lines())

    assert beginning == list(islice(whole.lines(), len(beginning)))


def test_sources_repeat_themselves_with_the_same_event(lines: list[dict[str, Any]]) -> None:
    """Some events come twice: the same fields under the same id, observed later."""
    times = Counter(line["event_id"] for line in lines)
    repeated = {event_id for event_id, count in times.items() if count > 1}
    versions: dict[str, set[str]] = {}
    for line in lines:
        if line["event_id"] in repeated:
            versions.setdefault(line["event_id"], set()).add(
                str({key: value for key, value in line.items() if key != "observed_at"})
            )

    assert 0.002 < len(repeated) / len(times) < 0.02
    assert all(len(said) == 1 for said in versions.values())


def test_some_events_are_late_by_hours_and_days_and_none_is_early(lines: list[dict[str, Any]]) -> None:
    """Most events are told of within minutes; a few, and only a few, after hours or days."""
    delays = [moment(line, "observed_at") - moment(line, "occurred_at") for line in lines]
    late = [delay for delay in delays if delay > timedelta(hours=1)]

    assert min(delays) >= timedelta(0)
    assert 0.003 < len(late) / len(delays) < 0.03
    assert max(late) > timedelta(days=1)


def test_weekends_and_holidays_are_quiet(lines: list[dict[str, Any]]) -> None:
    """
    A weekend day has less than a fifth of a weekday's logins, and the first of May less than half in Germany
    and France.
    """
    per_day = Counter(moment(line, "occurred_at").date() for line in of_type(lines, "login"))
    weekend = [count for day, count in per_day.items() if day.weekday() >= 5]
    weekdays = [count for day, count in per_day.items() if day.weekday() < 5]
    at_home = {
        line["account_id"]
        for line in of_type(lines, "account")
        if line["time_zone"] in {"Europe/Berlin", "Europe/Paris"}
    }
    there = Counter(
        moment(line, "occurred_at").date()
        for line in of_type(lines, "login")
        if line["account_id"] in at_home
    )

    assert sum(weekend) / len(weekend) < sum(weekdays) / len(weekdays) / 5
    assert there[date(2026, 5, 1)] < there[date(2026, 4, 24)] / 2


def test_every_event_names_its_account_in_one_of_the_three_ways(lines: list[dict[str, Any]]) -> None:
    """
    By account_id, by an external id the account lists for that source, or by an address of the account's
    domain.
    """
    accounts = of_type(lines, "account")
    external = {(source, an_id) for line in accounts for source, an_id in line["external_ids"].items()}
    domains = {domain for line in accounts for domain in line["domains"]}
    ways: Counter[str] = Counter()

    for line in lines:
        if line["account_id"] is not None:
            ways["account_id"] += 1
        elif line["external_id"] is not None:
            ways["external_id"] += 1
            assert (line["source"], line["external_id"]) in external
        else:
            ways["email"] += 1
            assert line["email"].rpartition("@")[2] in domains

    assert len(external) == 2 * len({line["account_id"] for line in accounts})
    assert min(ways[way] for way in ("account_id", "external_id", "email")) > 500


def test_a_person_is_told_of_with_an_address_always_or_never(lines: list[dict[str, Any]]) -> None:
    """
    The intake tells people apart by their address where there is one, so a source must not change its mind.
    """
    told: dict[tuple[str, str], set[bool]] = {}
    for line in of_type(lines, "login"):
        told.setdefault((line["source"], line["user_id"]), set()).add(line["email"] is None)

    assert all(len(ways) == 1 for ways in told.values())
    assert {True, False} == set.union(*told.values())


def test_the_portfolio_has_all_segments_and_several_currencies_regions_and_owners() -> None:
    """Seats from 5 to 5,000, by segment; no two accounts share a name or an id."""
    whole = portfolio(seed=7, accounts=600, start=START, end=START + timedelta(days=200))
    profiles = [life.profile for life in whole.lives]
    seats = {
        segment: [profile.seats for profile in profiles if profile.segment == segment]
        for segment in ("SMALL", "MID", "ENTERPRISE")
    }

    assert (min(seats["SMALL"]), max(seats["SMALL"])) == (5, 20)
    assert 20 <= min(seats["MID"]) < max(seats["MID"]) <= 200
    assert 200 <= min(seats["ENTERPRISE"]) < 3_000 < max(seats["ENTERPRISE"]) <= 5_000
    assert {profile.place.currency for profile in profiles} == {"EUR", "GBP", "USD"}
    assert {profile.place.region for profile in profiles} == {"EMEA", "AMER", "APAC"}
    assert len({profile.account_id for profile in profiles}) == len(profiles) == 600
