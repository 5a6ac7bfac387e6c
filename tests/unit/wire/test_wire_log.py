"""Log entries survive their bytes, by hand and by fastavro alike."""

from dataclasses import replace

import pytest
from hypothesis import given
from wire_builders import CONTRACT, NOW, REGISTRY, entries, entries_of, logins

from pipeline.health.events import LogEntry, Login, Scorecards, Tick
from pipeline.wire.avro import Decoder, Undecodable
from pipeline.wire.log import RECORDS, LogCodec
from pipeline.wire.log_login import UNION_INDEX

LOG = LogCodec(CONTRACT, REGISTRY)
LOGIN = LogEntry(NOW, "login", 3, 90_211, Login("e-1", NOW - 1000, b"8 bytes.", "USER", "WEB"))


@given(entries)
def test_every_entry_survives_its_bytes(entry: LogEntry) -> None:
    """Whatever it says and wherever it came from."""
    assert LOG.decode(LOG.encode(entry)) == entry


@given(entries_of(logins))
def test_a_login_by_hand_is_what_avro_reads(entry: LogEntry) -> None:
    """The short way and fastavro read the same bytes alike."""
    login = entry.body
    fields = {name: getattr(login, name) for name in Login.__dataclass_fields__}
    place = {name: getattr(entry, name) for name in ("observed_at", "source", "partition", "offset")}

    value = LOG.encode(entry)

    read = Decoder(CONTRACT.log, CONTRACT, REGISTRY, name_unions=True).decode(value)
    assert read == {**place, "body": (RECORDS[Login], fields)}
    assert LOG.decode(value) == entry


EDGES = [0, -1, 2**34 - 1, 2**34, 2**41 - 1, 2**41, -(2**34) - 1, -(2**40), -(2**63), 2**63 - 1]


@pytest.mark.parametrize("time", EDGES)
def test_times_at_the_edges_of_six_bytes_survive(time: int) -> None:
    """Where Avro starts to use another number of bytes, and where the sign hides in the lowest bit."""
    observed, occurred = replace(LOGIN, observed_at=time), replace(LOGIN.body, occurred_at=time)

    assert LOG.decode(LOG.encode(observed)) == observed
    assert LOG.decode(LOG.encode(replace(LOGIN, body=occurred))) == replace(LOGIN, body=occurred)


def test_the_place_of_the_login_among_the_bodies_is_the_schemas() -> None:
    """The short way knows it by heart."""
    body = next(field for field in CONTRACT.newest(CONTRACT.log)["fields"] if field["name"] == "body")

    assert [record["name"] for record in body["type"]][UNION_INDEX] == "ResolvedLogin"


def test_a_usual_login_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else the log would be twice as slow without anybody noticing."""
    codec = LogCodec(CONTRACT, REGISTRY)
    monkeypatch.setattr(codec, "_decoder", None)

    assert codec.decode(LOG.encode(LOGIN)) == LOGIN


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
