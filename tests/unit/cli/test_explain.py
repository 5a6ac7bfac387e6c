"""What `telltale explain` prints, as text."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from pipeline.cli.explain import explanation_lines
from sinks.postgres.answers import AccountHealth, Alert, Change, Explanation, Freshness

NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)


def component(name: str, score: float | None, weight: float, points: float, reason: str) -> dict[str, object]:
    return {
        "name": name,
        "score": score,
        "weight": weight,
        "points": points,
        "reason": reason,
        "fresh_until": None,
    }


def account(**changed: object) -> AccountHealth:
    known = AccountHealth(
        account_id="alder-finch", name="Alder & Finch", segment="ENTERPRISE", lifecycle_stage="LIVE",
        owner="Mara Lindqvist", region="EMEA", seats=100, cmrr=Decimal("18400.0000"), currency="EUR",
        renewal_date=date(2027, 1, 14), leaves_on=None, closed=False, left=False, epoch=1, version=41, score=55.3,
        score_7d_ago=71.3, score_28d_ago=None, band="WATCH", computed_band="WATCH", forced_by=None, coverage=1.0,
        components=[
            component("usage", 22.0, 40, 8.8, "no login for 10 days, 61 people were active in October"),
            component("support", 78.0, 25, 19.5, "one ticket open"),
            component("sentiment", 60.0, 20, 12.0, "NPS 7 by a decision-maker"),
            component("billing", 100.0, 15, 15.0, "nothing is due"),
        ],
        open_alerts=[], override=None, scorecard_name="enterprise", scorecard_version="3", as_of=NOW,
        scored_at=NOW + timedelta(seconds=1), committed_at=NOW + timedelta(seconds=1.8),
    )  # fmt: skip
    return replace(known, **changed)  # type: ignore[arg-type]


def change() -> Change:
    return Change(
        epoch=1, version=41, kind="TIME", as_of=NOW, score_before=71.3, score_after=55.3, band_before="WATCH",
        band_after="WATCH", coverage_before=1.0, coverage_after=1.0,
        points=[
            {"component": "support", "before": 78.0, "after": 78.0, "points": 0.0},
            {"component": "usage", "before": 62.0, "after": 22.0, "points": -16.0},
        ],
        causes=[
            {"event_id": f"e{n}", "topic": "customer.login.v1", "partition": 2, "offset": 9900 + n,
             "occurred_at": f"2026-11-13T09:0{n}:00+00:00"}
            for n in range(7)
        ],
        causes_count=9, scorecard_name="enterprise", scorecard_version="3", scored_at=NOW, committed_at=NOW,
    )  # fmt: skip


def alert(**changed: object) -> Alert:
    opened = Alert(
        alert_id="al-7", sequence=1, story_id="st-1", account_id="alder-finch", account_name="Alder & Finch",
        sign="went_dark", transition="OPENED", severity="HIGH", score_before=71.3, score_after=55.3, points=[],
        band="WATCH", reason="went dark, no login for 10 days (longest before: 5)", evidence=[],
        play="call the account's owner.", respond_by=NOW + timedelta(hours=8), cmrr=None, currency=None,
        renewal_date=None, owner=None, opened_at=NOW - timedelta(minutes=38), occurred_at=None, observed_at=None,
        due_at=NOW, resolved_by=None, as_of=NOW, scored_at=NOW, committed_at=NOW,
    )  # fmt: skip
    return replace(opened, **changed)  # type: ignore[arg-type]


def lines(
    told: AccountHealth, *, changes: tuple[Change, ...] = (), alerts: tuple[Alert, ...] = ()
) -> list[str]:
    freshness = Freshness(
        accounts=212, newest_as_of=NOW, newest_committed_at=NOW - timedelta(seconds=12), now=NOW, rows_last_hour=9,
        row_seconds_p50=None, row_seconds_p99=None,
    )  # fmt: skip
    return explanation_lines(Explanation(account=told, changes=changes, alerts=alerts), freshness)


def test_everything_a_csm_needs_is_on_one_screen() -> None:
    """
    Standing, points earned and missing, what moved it and by which events, the alert, the step, the
    freshness.
    """
    told = lines(account(), changes=(change(),), alerts=(alert(),))

    assert told == [
        "Alder & Finch (alder-finch) scores 55.3, watch, 71.3 a week ago",
        "EUR 18,400/month, enterprise, renews in 52 days (2027-01-14), owner Mara Lindqvist",
        "",
        "component  score  earned  missing  why",
        "usage         22     8.8     31.2  no login for 10 days, 61 people were active in October",
        "support       78    19.5      5.5  one ticket open",
        "sentiment     60    12.0      8.0  NPS 7 by a decision-maker",
        "billing      100    15.0      0.0  nothing is due",
        "100% of the weight is known; scorecard enterprise 3",
        "",
        "What moved it lately",
        "  2026-11-23 09:12:00  71.3 -> 55.3  watch  usage -16.0",
        "      2026-11-13 09:06:00  customer.login.v1[2]@9906  e6",
        "      2026-11-13 09:05:00  customer.login.v1[2]@9905  e5",
        "      2026-11-13 09:04:00  customer.login.v1[2]@9904  e4",
        "      2026-11-13 09:03:00  customer.login.v1[2]@9903  e3",
        "      2026-11-13 09:02:00  customer.login.v1[2]@9902  e2",
        "      and 4 events before",
        "",
        "Open alerts",
        "  HIGH  went_dark: went dark, no login for 10 days (longest before: 5)",
        "      open 38 min; next: call the account's owner, by Mon 23 Nov 17:12 UTC",
        "",
        "Next   call the account's owner, by Mon 23 Nov 17:12 UTC",
        "",
        "Fresh  scored as of 2026-11-23 09:12:00 UTC, stored 0.8 s later; the newest row of all accounts is 12 s old",
    ]


def test_a_change_of_band_names_both_bands() -> None:
    """Without a word the reader would have to remember where the bands begin."""
    fallen = replace(change(), band_before="HEALTHY", causes=[], causes_count=0)

    assert "  2026-11-23 09:12:00  71.3 -> 55.3  healthy -> watch  usage -16.0" in lines(
        account(), changes=(fallen,)
    )


def test_what_is_not_known_neither_adds_nor_is_missing() -> None:
    """Points are shared among the known components: of 65 known, usage can give 100 * 40 / 65."""
    unknown = component("sentiment", None, 20, 0.0, "nobody has answered a survey yet")
    usage = component("usage", 50.0, 40, 30.8, "half of the seats are active")
    support = component("support", 100.0, 25, 38.5, "one ticket a month, as usual")

    told = lines(account(components=[usage, support, unknown], coverage=0.65))

    assert "usage         50    30.8     30.7  half of the seats are active" in told
    assert "sentiment      -     0.0        -  nobody has answered a survey yet" in told
    assert "65% of the weight is known; scorecard enterprise 3" in told


def test_an_account_of_which_too_little_is_known_has_no_score() -> None:
    """It says so, and not zero."""
    told = lines(account(score=None, score_7d_ago=None, band="UNKNOWN", coverage=0.25, components=[]))

    assert told[0] == "Alder & Finch (alder-finch) has no score: too little is known, unknown"


def test_what_is_known_may_count_nothing() -> None:
    """A scorecard can give weight 0 to all that is known: said in words, and nothing is divided by."""
    found = lines(
        account(score=None, coverage=0.0, components=[component("usage", 80, 0, 0, "well")]), alerts=()
    )

    assert (
        "0% of the weight is known: what is known counts nothing in this scorecard; scorecard enterprise 3"
        in found
    )
    assert "Next   no alert is open, and too little is known to score it" in found


def test_without_an_alert_the_largest_gap_is_the_next_step() -> None:
    """What could add most, and why it does not."""
    assert (
        "Next   no alert is open; usage could add most, 31.2 points: "
        "no login for 10 days, 61 people were active in October"
    ) in lines(account())


def test_of_several_alerts_the_most_severe_says_the_next_step() -> None:
    """The oldest is listed first, but what is urgent is done first."""
    older = alert(severity="INFO", play="send the guide", respond_by=None)

    assert "Next   call the account's owner, by Mon 23 Nov 17:12 UTC" in lines(
        account(), alerts=(older, alert())
    )


def test_a_band_that_the_score_does_not_give_says_who_gave_it() -> None:
    """A band floor or a person's word; nobody has to wonder about 76 points at risk."""
    forced = lines(account(band="AT_RISK", forced_by="a P1 open beyond its SLA"))
    overridden = lines(
        account(
            band="HEALTHY",
            override={"author": "mara", "reason": "moving to the new site", "expires_at": None},
        )
    )

    assert "at risk is forced: a P1 open beyond its SLA" in forced
    assert "healthy is the word of mara: moving to the new site; computed: watch" in overridden


def test_an_account_that_has_left_says_so() -> None:
    """Its last score is history."""
    assert "no customer any more" in lines(account(left=True))


def test_a_severity_of_a_newer_release_is_the_least_urgent() -> None:
    """Rows may be of a sink that is ahead of this command."""
    unknown = alert(severity="PANIC", play="ask somebody", respond_by=None)
    known = alert(severity="INFO", play="send the guide", respond_by=None)

    assert "Next   send the guide" in lines(account(), alerts=(unknown, known))


def test_a_closed_account_of_which_nothing_else_is_known_is_explained() -> None:
    """No name, no facts, no score, no component."""
    found = lines(
        account(
            name=None, segment=None, owner=None, cmrr=None, currency=None, renewal_date=None, score=None, score_7d_ago=None,
            band="UNKNOWN", coverage=0.0, components=[], left=True, closed=True, scored_at=None,
        ),
        alerts=(),
    )  # fmt: skip

    assert found[0] == "alder-finch (alder-finch) has no score: too little is known, unknown"
    assert "no customer any more" in found
    assert "Next   no alert is open, and too little is known to score it" in found
