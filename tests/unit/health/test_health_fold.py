"""The fold of a partition: marks, duplicates, ticks, versions, facts, overrides and the end of an account."""

from copy import deepcopy
from dataclasses import replace

import pytest

from pipeline.health.events import AccountClosed, Action, Event, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.windows import DAY, HOUR, MINUTE
from pipeline.scorecards import read_documents
from pipeline.wire.account_state import account_fields
from tests.unit.health.health_builders import (
    MONDAY,
    START,
    WHOLE,
    Partition,
    entry,
    facts,
    invoice,
    living_account,
    login,
    nps,
    ticket,
)


def test_a_login_becomes_a_snapshot_and_a_change() -> None:
    """One version is one of each, with the same number, and the event among its causes."""
    partition = Partition()

    partition.hear(login(START, event_id="first"))

    (snapshot,), (change,) = partition.snapshots, partition.changes
    assert (snapshot.version, change.version) == (1, 1)
    assert (snapshot.score, snapshot.band, snapshot.coverage) == (None, "UNKNOWN", 0.0)
    assert [(cause.event_id, cause.topic, cause.offset) for cause in change.causes] == [("first", "test", 1)]
    assert change.kind == "EVENT"


def test_a_repeat_of_the_intake_changes_nothing_but_the_position() -> None:
    """At or below its source's mark an entry was applied before the crash."""
    partition = Partition()
    partition.hear(login(START))
    partition.fold.apply("alder", entry(login(START), START, 1), 2)

    assert partition.fold.counters.repeats == 1
    assert partition.fold.next_offset == 3
    assert partition.fold.take_step().changed == {}


def test_a_duplicate_of_a_source_is_counted_once() -> None:
    """The same event id at another offset is the same fact."""
    partition = Partition()
    partition.hear(login(START, event_id="a"))
    partition.hear(login(START, event_id="a"))

    assert partition.fold.counters.duplicates == 1
    assert partition.state().logins.total(MONDAY, MONDAY) == 1


def test_what_was_left_out_is_not_remembered() -> None:
    """Sent again once the account is open again, it counts; only then is another one a duplicate."""
    partition = living_account()
    now = partition.fold.watermark
    partition.hear(AccountClosed("gone", now))
    late = login(now + HOUR, event_id="again")
    partition.hear(late)
    partition.hear(facts(now + 2 * HOUR))
    partition.hear(late)
    partition.hear(late)

    assert partition.fold.counters.left_out == 1
    assert partition.fold.counters.duplicates == 1
    assert partition.state().last_login_at == late.occurred_at


def test_only_ticks_move_the_clock_and_only_forward() -> None:
    """Events carry times of their own; a tick at or below the clock is an old one."""
    partition = Partition()
    partition.tick(START)
    partition.hear(login(START + DAY))
    partition.tick(START - HOUR)

    assert partition.fold.watermark == START


def test_timers_fire_in_the_order_of_their_time_and_then_of_the_account() -> None:
    """Each as of its own due time, whatever the tick."""
    partition = Partition()
    for account in ("willow", "alder", "birch"):
        partition.hear(facts(START), account)
        partition.hear(invoice(START, due_day=MONDAY - 59), account)
    partition.snapshots.clear()

    partition.tick(START + 3 * DAY)

    fired = [(snapshot.as_of, snapshot.account_id) for snapshot in partition.snapshots]
    assert len(fired) >= 3
    assert fired == sorted(fired)
    assert {as_of % MINUTE for as_of, _ in fired} == {0}


def praise_until_the_next_version(partition: Partition) -> list[str]:
    """Promoters answer, each moving the score a little; returns the ids of their answers."""
    versions = len(partition.changes)
    ids: list[str] = []
    while len(partition.changes) == versions:
        event = nps(partition.fold.watermark + HOUR + len(ids), 9)
        partition.hear(event)
        ids.append(event.event_id)
    return ids


def test_a_version_waits_until_the_score_has_moved_by_a_point() -> None:
    """Smaller moves are part of the next version, and so are their causes."""
    partition = living_account()
    partition.hear_all([nps(partition.fold.watermark + number, 7) for number in range(40)])

    ids = praise_until_the_next_version(partition)

    change = partition.changes[-1]
    assert len(ids) > 2
    assert [cause.event_id for cause in change.causes] == ids
    assert change.score_before is not None
    assert change.score_after is not None
    assert 1 <= change.score_after - change.score_before < 1.5
    assert sum(move.points for move in change.points) == pytest.approx(
        change.score_after - change.score_before, abs=0.01
    )


def test_the_newest_twenty_causes_are_named_and_all_are_counted() -> None:
    """A flood does not swell the records."""
    partition = living_account()
    partition.hear_all([nps(partition.fold.watermark + number, 7) for number in range(400)])

    ids = praise_until_the_next_version(partition)

    change = partition.changes[-1]
    assert change.causes_count == len(ids) > 20
    assert [cause.event_id for cause in change.causes] == ids[-20:]


def test_a_login_of_somebody_already_counted_today_costs_no_scoring() -> None:
    """Nothing a component sees has changed, so there is no version and no cause."""
    partition = living_account()
    at = partition.state().last_login_at
    versions = len(partition.changes)

    for number in range(50):
        partition.hear(login(at + number * MINUTE, 1))

    assert len(partition.changes) == versions
    assert partition.state().derived.causes == []
    assert partition.state().last_login_at == at + 49 * MINUTE


def test_the_newest_facts_hold_whatever_the_order() -> None:
    """
    A late older state of the facts is left alone; one that shows in the snapshot is a version of its own.
    """
    partition = Partition()
    partition.hear(facts(START + HOUR, owner="jo"))
    partition.hear(facts(START, owner="mara"))
    assert [snapshot.owner for snapshot in partition.snapshots] == ["jo"]

    partition.hear(facts(START + 2 * HOUR, owner="kim"))

    assert [snapshot.owner for snapshot in partition.snapshots] == ["jo", "kim"]
    assert partition.changes[-1].kind == "FACTS"


def override(at: int, band: str | None, until: int | None = None) -> Action:
    return Action(f"o-{at}", at, "OVERRIDE", "mara", "talked to them", band=band, until=until)  # type: ignore[arg-type]


def test_an_override_shows_its_band_until_it_expires_and_the_computed_one_beside_it() -> None:
    """A person's word has an end."""
    partition = living_account()
    now = partition.fold.watermark
    partition.hear(override(now, "AT_RISK", now + 3 * HOUR))

    overridden = partition.snapshots[-1]
    partition.run_until(now + 4 * HOUR)

    assert (overridden.band, overridden.computed_band) == ("AT_RISK", "HEALTHY")
    assert overridden.override is not None
    assert (overridden.override.author, overridden.override.expires_at) == ("mara", now + 3 * HOUR)
    after = partition.snapshots[-1]
    assert (after.band, after.override, after.as_of) == ("HEALTHY", None, now + 3 * HOUR)


def test_an_override_can_be_handed_back_and_an_older_one_does_not_return() -> None:
    """The latest action holds."""
    partition = living_account()
    now = partition.fold.watermark
    partition.hear(override(now + HOUR, "CRITICAL"))
    partition.hear(override(now + 2 * HOUR, None))
    partition.hear(override(now, "CRITICAL"))

    assert partition.snapshots[-1].override is None
    assert partition.snapshots[-1].band == "HEALTHY"
    assert partition.changes[-1].kind == "ACTION"


def test_other_actions_are_counted_and_change_nothing() -> None:
    """Acknowledging is known and kept for later."""
    partition = living_account()
    versions = len(partition.changes)

    partition.hear(Action("a-1", START, "ACKNOWLEDGE", "mara", alert_id="al_X"))

    assert partition.state().actions == 1
    assert len(partition.changes) == versions


def test_a_closed_account_resolves_its_alerts_and_keeps_a_small_state() -> None:
    """What comes later is left out; only its facts can bring it back."""
    partition = living_account(notice_day=MONDAY)
    now = partition.fold.watermark
    partition.hear(AccountClosed("gone", now))
    partition.hear(login(now + HOUR))
    partition.run_until(now + 20 * DAY, every=DAY)

    last = partition.snapshots[-1]
    assert (last.closed, last.score, last.band, last.coverage) == (True, None, "UNKNOWN", 0.0)
    assert partition.alerts[-1].resolved_by == "account_closed"
    assert partition.fold.counters.left_out == 1
    assert len(partition.state().people) == 0
    assert partition.state().due_at == 0

    partition.hear(facts(now + 21 * DAY))
    assert not partition.snapshots[-1].closed
    assert partition.snapshots[-1].version == last.version + 1


def test_without_scorecards_accounts_are_kept_and_unknown() -> None:
    """The events wait in the state for somebody to say how they count."""
    partition = Partition(cards=None)
    partition.hear(facts())
    partition.hear(login(START))

    assert (partition.snapshots[-1].band, partition.snapshots[-1].components[0].reason) == (
        "UNKNOWN",
        "no scorecard is in force",
    )


def test_the_score_of_a_week_ago_stands_beside_todays() -> None:
    """Trend is a stated window of event time."""
    partition = living_account()
    now = partition.fold.watermark
    then = partition.snapshots[-1].score
    partition.run_until(now + 8 * DAY)
    partition.hear(facts(now + 8 * DAY, owner="kim"))

    assert partition.snapshots[-1].score_28d_ago is None or partition.snapshots[-1].score_28d_ago > 0
    assert partition.state().derived.history.score_on(now // DAY) == then


def test_a_login_months_old_is_counted_and_left_out() -> None:
    """Older than the ring: it moves no window."""
    partition = living_account()
    partition.hear(login(START - 100 * DAY, 99), at=partition.fold.watermark)

    assert partition.fold.counters.left_out == 1
    assert partition.fold.counters.late == 1
    assert len(partition.state().people) == 8


@pytest.mark.parametrize("body", [Tick(), Scorecards([])])
def test_ticks_and_scorecards_are_no_events(body: Tick | Scorecards) -> None:
    """They have a way in of their own, which can stop in between."""
    with pytest.raises(AssertionError, match="advance"):
        PartitionFold(0, read_documents).apply("alder", replace(entry(Tick(), START, 5), body=body), 0)


def test_a_tick_with_nothing_due_is_done_at_once() -> None:
    """Also on an empty partition."""
    fold = PartitionFold(0, read_documents)

    assert fold.advance(entry(Tick(), START, 0), 0, WHOLE)
    assert (fold.next_offset, fold.watermark) == (1, START)


def test_what_time_did_is_not_said_of_the_next_event() -> None:
    """
    On a new day the windows move first, as a change of kind TIME without causes; then the event has its own.
    """
    partition = living_account()
    now = partition.fold.watermark + 12 * DAY
    partition.changes.clear()

    partition.hear(ticket(now, severity="P1"))

    moved_by_time, moved_by_ticket = partition.changes
    assert (moved_by_time.kind, moved_by_time.causes) == ("TIME", ())
    assert [move.component for move in moved_by_time.points if move.points] == ["usage"]
    assert moved_by_ticket.kind == "EVENT"
    assert moved_by_ticket.causes_count == 1
    assert moved_by_ticket.points[0].before == moved_by_ticket.points[0].after


def test_one_tick_for_many_hours_is_as_good_as_one_at_each() -> None:
    """What was due fires in its order and as of its own time."""
    hourly = living_account()
    late = deepcopy(hourly)
    until = hourly.fold.watermark + 30 * DAY

    hourly.run_until(until)
    late.tick(until)

    assert len(hourly.alerts) > 1
    assert (hourly.snapshots, hourly.changes, hourly.alerts) == (late.snapshots, late.changes, late.alerts)
    assert account_fields(hourly.state()) == account_fields(late.state())


def test_two_systems_may_number_their_events_alike() -> None:
    """Whoever sends the same event twice sends it about the same ticket, person, invoice or survey."""
    partition = living_account()
    now = partition.fold.watermark
    events: list[Event] = [
        ticket(now, ticket_id="zendesk:7", event_id="1001"),
        ticket(now, ticket_id="intercom:7", event_id="1001"),
        invoice(now, invoice_id="stripe:1", event_id="1001"),
        invoice(now, invoice_id="sap:1", event_id="1001"),
        login(now, 1, event_id="1001"),
        login(now, 2, event_id="1001"),
    ]
    before = partition.fold.counters.events

    partition.hear_all([*events, *events])

    assert partition.fold.counters.events == before + 6
    assert partition.fold.counters.duplicates == 6


def test_facts_behind_a_closing_open_the_account_again_however_old_they_are() -> None:
    """
    A CRM that sends the record it had sent before says that the account is there; what was before it is
    forgotten.
    """
    partition = living_account()
    known, now = partition.state().facts, partition.fold.watermark
    assert known is not None

    partition.hear(AccountClosed("gone", now))
    partition.hear(known, at=now + HOUR)
    partition.hear(login(now + 2 * HOUR))

    assert not partition.snapshots[-1].closed
    assert partition.fold.counters.left_out == 0


def test_a_closing_closes_whatever_the_facts_say_of_their_time() -> None:
    """The clock of the CRM may be minutes ahead."""
    partition = living_account()
    now = partition.fold.watermark
    partition.hear(facts(now + 4 * MINUTE), at=now)

    partition.hear(AccountClosed("gone", now + MINUTE))

    assert partition.snapshots[-1].closed


def test_scores_from_before_a_closing_are_not_told_after_it() -> None:
    """Neither as the score of a week ago nor as a height to fall from."""
    partition = living_account()
    partition.run_until(partition.fold.watermark + 10 * DAY, every=6 * HOUR)
    now = partition.fold.watermark
    assert partition.snapshots[-1].score_7d_ago is not None

    partition.hear(AccountClosed("gone", now))
    partition.hear(facts(now + HOUR))

    assert not partition.snapshots[-1].closed
    assert partition.snapshots[-1].score_7d_ago is None


def test_facts_and_invoices_of_before_us_say_nothing_of_weeks_without_tickets() -> None:
    """An account that became one of ours today has no usual yet, whatever its records' age."""
    partition = Partition()
    partition.hear(facts(START - 200 * DAY, start_day=MONDAY - 200, seats=50), at=START)
    partition.hear(invoice(START - 300 * DAY, "PAID"), at=START)
    partition.hear(nps(START - 60 * DAY, 9), at=START)
    for number in range(15):
        at = START + number * MINUTE
        partition.hear(ticket(at, ticket_id=f"T-{number}", severity="P4"))
        partition.hear(ticket(at + HOUR, "SOLVED", f"T-{number}", "P4"))
    partition.hear(login(START + 2 * HOUR))

    support, usage = partition.state().derived.scores[1], partition.state().derived.scores[0]
    assert (usage, support) == (None, 100)
