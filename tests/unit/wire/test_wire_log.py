"""Log entries survive their bytes, by hand and by fastavro alike."""

from dataclasses import replace

import pytest
from hypothesis import given

from pipeline.health.events import Action, LogEntry, Login, Scorecards, Tick
from pipeline.wire.avro import Undecodable
from pipeline.wire.log import LogCodec
from tests.unit.wire.wire_builders import CONTRACT, NOW, REGISTRY, bodies, entries, entries_of, logins

LOG = LogCodec(CONTRACT, REGISTRY)
BY_FASTAVRO = LogCodec(CONTRACT, REGISTRY)
BY_FASTAVRO._frame = b"no value opens like this"
LOGIN_EVENT = Login("e-1", NOW - 1000, b"8 bytes.", "USER", "WEB")
LOGIN = LogEntry(NOW, "login", 3, 90_211, LOGIN_EVENT)


@given(entries)
def test_every_entry_survives_its_bytes(entry: LogEntry) -> None:
    """Whatever it says and wherever it came from."""
    assert LOG.decode(LOG.encode(entry)) == entry


@given(entries)
def test_by_hand_and_by_fastavro_the_same_is_read(entry: LogEntry) -> None:
    """Of every body, at usual and at unusual times."""
    value = LOG.encode(entry)

    assert BY_FASTAVRO.decode(value) == LOG.decode(value)


EDGES = [0, -1, 2**34 - 1, 2**34, 2**41 - 1, 2**41, -(2**34) - 1, -(2**40), -(2**63), 2**63 - 1]


@pytest.mark.parametrize("time", EDGES)
def test_times_at_the_edges_of_six_bytes_survive(time: int) -> None:
    """Where Avro starts to use another number of bytes, and where the sign hides in the lowest bit."""
    observed, occurred = replace(LOGIN, observed_at=time), replace(LOGIN_EVENT, occurred_at=time)

    assert LOG.decode(LOG.encode(observed)) == observed
    assert LOG.decode(LOG.encode(replace(LOGIN, body=occurred))) == replace(LOGIN, body=occurred)


def test_events_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else the log would be twice as slow without anybody noticing."""
    codec = LogCodec(CONTRACT, REGISTRY)
    monkeypatch.setattr(codec, "_decoder", None)

    @given(entries_of(bodies.filter(lambda body: not isinstance(body, Scorecards))))
    def read_by_hand(entry: LogEntry) -> None:
        body = entry.body
        assert not isinstance(body, Tick | Scorecards)
        body = replace(body, occurred_at=NOW)
        if isinstance(body, Action):
            body = replace(body, until=NOW)
        usual = replace(entry, observed_at=NOW, body=body)
        assert codec.decode(LOG.encode(usual)) == usual

    read_by_hand()


def test_an_event_at_an_unusual_time_is_read_all_the_same() -> None:
    """Its bytes are not those of the short way."""
    assert LOG.decode(LOG.encode(replace(LOGIN, observed_at=5))).observed_at == 5


@given(entries)
def test_only_a_tick_is_a_tick(entry: LogEntry) -> None:
    """However short other entries are."""
    assert LOG.is_tick(LOG.encode(entry)) == isinstance(entry.body, Tick)


def test_an_entry_without_anything_in_it_is_no_tick() -> None:
    """The shortest login is as short as a tick."""
    shortest = LogEntry(0, "", 0, 0, Login("", 0, b"", "USER", "", None))

    assert not LOG.is_tick(LOG.encode(shortest))
    assert not LOG.is_tick(LOG.encode(LogEntry(0, "", 0, 0, Scorecards([]))))


@given(entries_of(logins))
def test_no_part_of_an_entry_is_an_entry(entry: LogEntry) -> None:
    """What is cut off is noticed, not read as something shorter."""
    value = LOG.encode(entry)

    for end in range(0, len(value), 7):
        with pytest.raises(Undecodable):
            LOG.decode(value[:end])
    with pytest.raises(Undecodable):
        LOG.decode(value + b"\0")
