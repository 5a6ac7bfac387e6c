"""An alert carries the times its time to detect is counted from."""

from pipeline.health.windows import DAY, HOUR, MINUTE
from tests.unit.health.health_builders import facts, living_account, ticket


def test_an_alert_an_event_caused_carries_that_events_times() -> None:
    """
    Notice of cancellation forces the band; what moved the score days before is not what the alert is about.
    """
    partition = living_account()
    heard_at = partition.fold.watermark + 90 * MINUTE
    noticed = facts(heard_at - MINUTE, notice_day=heard_at // DAY)

    partition.hear(noticed, at=heard_at)

    (alert,) = partition.alerts
    assert (alert.sign, alert.occurred_at, alert.observed_at) == ("band", heard_at - MINUTE, heard_at)
    assert alert.due_at is None


def test_an_alert_the_passing_of_time_caused_was_due_at_that_time() -> None:
    """A P1 stays open beyond its SLA: no event comes, so the moment it became due counts."""
    partition = living_account()
    opened_at = partition.fold.watermark + MINUTE
    partition.hear(ticket(opened_at, severity="P1"))

    partition.run_until(opened_at + 5 * HOUR)

    alert = next(alert for alert in partition.alerts if alert.sign == "band")
    assert alert.due_at == alert.as_of == opened_at + 4 * HOUR


def test_a_drop_that_days_completed_was_due_when_the_day_was_scored() -> None:
    """Use stops, and the windows move on: no event is the last straw, a day is."""
    partition = living_account(seats=8)

    partition.run_until(partition.fold.watermark + 30 * DAY)

    drops = [
        alert for alert in partition.alerts if alert.sign != "went_dark" and alert.transition == "OPENED"
    ]
    assert all(alert.due_at == alert.as_of for alert in drops)
    assert drops
