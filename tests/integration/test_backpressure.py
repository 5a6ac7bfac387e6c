"""Not faster than the embedded broker's readers: it forgets what is more than 5 MB behind, read or not."""

import threading
from collections.abc import Callable

import pytest

from pipeline.embedded.kafka_local import LocalKafka
from pipeline.kafka.records import Appender, commit, offsets
from pipeline.ops.backpressure import UNREAD_BYTES, UNREAD_RECORDS, Pace, pace_for
from tests.integration.command_line import Telltale

LOG, CHANGES = "health.account-log.v1", "health.change.v1"
RECORDS, SIZE = 8_000, 1_000


@pytest.fixture
def telltale(broker: str) -> Telltale:
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


class Writing:
    """8 MB on their way into one partition, from a thread."""

    def __init__(self, telltale: Telltale, pace: Pace) -> None:
        self._telltale = telltale
        self._pace = pace
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        with Appender(self._telltale.client, self._pace.delivered) as appender:
            for _ in range(RECORDS):
                appender.append(LOG, b"k", b"x" * SIZE, partition=0)
                self._pace.wait(appender, SIZE)

    def span(self) -> tuple[int, int]:
        """First and next offset of the partition."""
        return offsets(self._telltale.client, [LOG])[LOG, 0]

    def done(self) -> bool:
        """Whether everything was written."""
        return not self._thread.is_alive()


def pace(telltale: Telltale, said: list[str]) -> Pace:
    found = pace_for(telltale.client, telltale.contract, [LOG], said.append)
    assert found is not None
    return found


def test_a_writer_waits_for_its_reader_and_nothing_unread_is_forgotten(
    telltale: Telltale, eventually: Callable[..., None]
) -> None:
    """
    Without a reader it stops at 3 MB and says for whom it waits; with one it goes on, never further ahead.
    """
    said: list[str] = []
    writing = Writing(telltale, pace(telltale, said))
    eventually(lambda: said)
    assert said[0] == f"waiting for telltale-health to read {LOG}; does it run?"

    read = 0
    while not writing.done():
        first, end = writing.span()
        assert first <= read
        assert (end - read) * SIZE < UNREAD_BYTES * 1.2
        read = end
        commit(telltale.client, "telltale-health", {(LOG, 0): read})

    assert writing.span()[1] == RECORDS


def test_a_group_that_reads_what_follows_is_waited_for_too(
    telltale: Telltale, eventually: Callable[..., None]
) -> None:
    """
    The log may be read and the sink behind: its rows would be what is forgotten. One that never came is not
    there.
    """
    commit(telltale.client, "telltale-health", {(LOG, 0): RECORDS})
    with Appender(telltale.client) as appender:
        for _ in range(UNREAD_RECORDS + 1):
            appender.append(CHANGES, b"k", b"v", partition=0)
    never_came: list[str] = []
    unhindered = Writing(telltale, pace(telltale, never_came))
    eventually(unhindered.done)
    assert never_came == []

    commit(telltale.client, "telltale-sink-postgres", {(CHANGES, 0): 0})
    said: list[str] = []
    hindered = Writing(telltale, pace(telltale, said))
    eventually(lambda: said)
    commit(telltale.client, "telltale-sink-postgres", {(CHANGES, 0): UNREAD_RECORDS})
    commit(telltale.client, "telltale-health", {(LOG, 0): 2 * RECORDS})

    assert "telltale-sink-postgres" in said[0]
    eventually(hindered.done)


@pytest.mark.kafka
def test_a_real_broker_keeps_what_is_unread_and_nobody_waits(kafka: LocalKafka) -> None:
    """A load runs as fast as the broker takes it."""
    telltale = Telltale(brokers=kafka.bootstrap)

    assert pace_for(telltale.client, telltale.contract, [LOG], print) is None
