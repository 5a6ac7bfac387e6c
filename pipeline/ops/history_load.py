"""
Writes a history into the account log, in the order in which it became known, with ticks at full hours.

The file is its own source there, so a load that broke off is started again, and what is there already is
dropped.

    TelltaleError
    ├── LogIsPast       the log's clock is past the beginning of the history
    └── LogWasShared    somebody else wrote into the log during the load
"""

from collections.abc import Callable

from pipeline.errors import TelltaleError
from pipeline.health.scorecard import ScorecardSet
from pipeline.ops.account_log import AccountLog, LogEnd
from pipeline.ops.text_rows import moment
from pipeline.wire.history import History


class LogIsPast(TelltaleError):  # noqa: N818 - these read as what happened
    """The log's clock is past the beginning of the history: what it tells would come too late to count."""


class LogWasShared(TelltaleError):  # noqa: N818
    """Somebody else wrote into the log while history was loaded."""


def load_history(
    history: History,
    log: AccountLog,
    cards: ScorecardSet,
    *,
    until: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """
    Append *cards* and *history*, up to *until* (ms UTC) if given, to *log*, and return how many events that
    were.

    Raises LogIsPast before anything is written, and LogWasShared after the load. *progress* is told of every
    event, as 1.
    """
    _refuse_what_is_past(history, log.topic, log.end())
    others = log.length() - log.appended
    log.activate(cards, history.first)
    events = 0
    for account_id, entry in history.entries(until):
        log.append(account_id, entry)
        if account_id:
            events += 1
            progress(1)
    log.flush()
    if log.length() - log.appended != others:
        raise LogWasShared(
            "the log was written by somebody else during the load, so what it says of that time is not right",
            hint="Load again under another TELLTALE_TOPIC_PREFIX, with `telltale worker intake` stopped.",
        )
    return events


def _refuse_what_is_past(history: History, topic: str, end: LogEnd) -> None:
    # A load that broke off has written ticks of this history, and events of its files.
    broke_off = end.watermark <= history.last and not end.sources.isdisjoint(history.sources)
    if end.watermark > history.first and not broke_off:
        raise LogIsPast(
            f"{topic} tells {day_text(end.watermark)} already, the history begins on {day_text(history.first)}",
            hint="History comes first, in the order of time: load it under another TELLTALE_TOPIC_PREFIX, or send "
            "the file without --history.",
        )


def day_text(at: int) -> str:
    """Day and time of *at*, ms UTC, in a sentence."""
    return f"{moment(at):%Y-%m-%d %H:%M}"
