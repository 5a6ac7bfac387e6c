"""Logs: one object a line, floods thinned out, a summary in three lines."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from pipeline.structured_logs import RateLimit, SummaryLog, configure


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield io.StringIO()
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_those_of_libraries_are_json_objects(stream: io.StringIO) -> None:
    """Both come the same way, and say which process and which logger spoke."""
    configure(process="intake", stream=stream)

    structlog.get_logger("agents.clock").info("clock.stalled", seconds=12)
    logging.getLogger("some.library").warning("lost %s", "connection")

    ours, theirs = lines(stream)
    assert list(ours)[:3] == ["timestamp", "level", "event"]
    assert (ours["event"], ours["seconds"], ours["process"]) == ("clock.stalled", 12, "intake")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == (
        "lost connection",
        "some.library",
        "warning",
    )


def test_the_level_is_ours_and_libraries_begin_at_warning(stream: io.StringIO) -> None:
    """With debug on, our own lines are debugged, and not those of every library."""
    configure(level="debug", stream=stream)

    structlog.get_logger("pipeline.x").debug("one.happened")
    logging.getLogger("pipeline.y").debug("two")
    logging.getLogger("some.library").info("three")

    assert [line["event"] for line in lines(stream)] == ["one.happened", "two"]


@pytest.mark.parametrize("shape", ["json", "console"])
def test_a_traceback_shows_no_local_variables(stream: io.StringIO, shape: str) -> None:
    """They hold keys, passwords and what customers wrote."""
    configure(format=shape, stream=stream)  # type: ignore[arg-type]
    password = "CANARY".lower()

    try:
        password.encode("no-such-encoding")
    except LookupError:
        structlog.get_logger("pipeline.x").exception("thing.failed")
        logging.getLogger("pipeline.x").exception("failed")

    assert stream.getvalue().count("LookupError") == 2
    assert "canary" not in stream.getvalue()


def record(logger: str, message: str) -> logging.LogRecord:
    return logging.LogRecord(logger, logging.WARNING, "", 0, message, None, None)


def test_a_flood_of_one_kind_is_thinned_out_and_counted() -> None:
    """Two lines a minute of each kind; the first one after says how many were left out."""
    now = 0.0
    limit = RateLimit(lines=2, seconds=60.0, loggers=["aiokafka"], clock=lambda: now)

    #  0 s |x x - - -     30 s |-     60 s |x
    early = [limit.filter(record("aiokafka.conn", "Unable to connect to %s")) for _ in range(5)]
    now = 30.0
    early.append(limit.filter(record("aiokafka.conn", "Unable to connect to %s")))
    now = 60.0
    next_minute = record("aiokafka.conn", "Unable to connect to %s")

    assert early == [True, True, False, False, False, False]
    assert limit.filter(next_minute)
    assert next_minute.__dict__["suppressed"] == 4


def test_a_flood_hides_neither_other_messages_nor_other_loggers() -> None:
    """What is thinned out is a kind of line, not a library."""
    limit = RateLimit(lines=1, seconds=60.0, loggers=["aiokafka"], clock=lambda: 0.0)

    assert limit.filter(record("aiokafka.conn", "Unable to connect to %s"))
    assert not limit.filter(record("aiokafka.conn", "Unable to connect to %s"))
    assert limit.filter(record("aiokafka.conn", "Heartbeat failed"))
    assert limit.filter(record("aiokafka.group", "Unable to connect to %s"))
    assert all(limit.filter(record("pipeline.x", "ours")) for _ in range(5))


def test_the_flood_of_a_lost_broker_is_thinned_out_by_the_configuration(stream: io.StringIO) -> None:
    """Ten lines of a kind get through, and after that it is quiet."""
    configure(stream=stream)

    for number in range(500):
        logging.getLogger("aiokafka.conn").error("Unable to connect to %s", number)

    assert len(lines(stream)) == 10


def test_the_summary_tells_rates_levels_and_new_faults(stream: io.StringIO) -> None:
    """
    Totals become events per second, faults what was added; faults that did not occur and work of others are
    left out.
    """
    now, events, faults = 0.0, 100.0, {"late": 5.0}
    configure(stream=stream)
    summary = SummaryLog(
        rates=lambda: {"events": events, "rows": 0.0},
        levels=lambda: {"lag": 7.0},
        faults=lambda: faults,
        clock=lambda: now,
    )

    now, events, faults = 60.0, 700.0, {"late": 5.0, "decode": 2.0}
    summary.write()
    now, events = 120.0, 700.0
    summary.write()

    told = [{k: v for k, v in line.items() if k not in {"timestamp", "level"}} for line in lines(stream)]
    assert told == [
        {"event": "summary.rates", "seconds": 60, "events": 10.0},
        {"event": "summary.lag", "lag": 7.0},
        {"event": "summary.faults", "decode": 2},
        {"event": "summary.rates", "seconds": 60, "events": 0.0},
        {"event": "summary.lag", "lag": 7.0},
        {"event": "summary.faults"},
    ]
