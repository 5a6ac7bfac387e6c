"""A log in which a few accounts log in every day: entries as ``worker_log.AccountLog`` appends them."""

from pipeline.health.events import LogEntry, Login, Tick

START, DAY = 1_770_000_000_000, 86_400_000
ACCOUNTS = 20


def days(first: int, last: int) -> list[tuple[str, LogEntry]]:
    """A login a day of each account, and a tick at the end of the day."""
    log = []
    for day in range(first, last):
        at = START + day * DAY
        for number in range(ACCOUNTS):
            login = Login(f"login-{day}", at, b"somebody", "USER", "WEB")
            log.append((f"acc-{number}", LogEntry(at, "login", 0, day * ACCOUNTS + number, login)))
        log.append(("", LogEntry(at, "", 0, 0, Tick())))
    return log
