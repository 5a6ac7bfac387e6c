"""``telltale ingest``: live events into the inputs, history into the account log."""

import json
import re
from collections import defaultdict
from itertools import count
from pathlib import Path

import pytest

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Received
from pipeline.kafka.records import Appender, read_topic
from pipeline.ops.account_log import AccountLog
from pipeline.ops.history_load import LogWasShared, load_history
from pipeline.scorecards import SHIPPED, load_scorecards
from pipeline.wire.history import open_history
from pipeline.wire.inputs import InputDecoder
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry
from tests.integration.command_line import PSEUDONYM_KEY, Telltale

HOUR = 3_600_000
NOON = 1_793_534_400_000  # 2026-11-01T12:00:00Z


@pytest.fixture
def telltale(broker: str) -> Telltale:
    telltale = Telltale(brokers=broker)
    telltale("topics", "apply")
    return telltale


def account(at: int, account_id: str = "acme", **facts: object) -> dict[str, object]:
    return {
        "type": "account", "event_id": f"a-{account_id}-{at}", "occurred_at": at, "source": "crm",
        "account_id": account_id, "name": account_id.title(), "domains": [], "external_ids": {}, "segment": "MID",
        "lifecycle_stage": "LIVE",
    } | facts  # fmt: skip


def login(at: int, account_id: str | None = "acme", **fields: object) -> dict[str, object]:
    return {
        "type": "login", "event_id": f"l-{account_id}-{at}", "occurred_at": at, "source": "app",
        "account_id": account_id, "user_id": "u1",
    } | fields  # fmt: skip


def write(path: Path, *lines: object) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def log_of(telltale: Telltale) -> dict[int, list[tuple[str, LogEntry]]]:
    """Every entry of the account log by partition, with its key."""
    codec = LogCodec(telltale.contract, EmbeddedRegistry(telltale.contract))
    entries = defaultdict(list)
    for record in read_topic(telltale.client, telltale.contract.log.name):
        entries[record.partition].append(((record.key or b"").decode(), codec.decode(record.value or b"")))
    return entries


def events_of(telltale: Telltale) -> list[tuple[str, LogEntry]]:
    """The entries that are events, whatever their partition."""
    return [
        (key, entry)
        for entries in log_of(telltale).values()
        for key, entry in entries
        if not isinstance(entry.body, Tick | Scorecards)
    ]


def received(telltale: Telltale, source: str) -> list[Received]:
    decoder = InputDecoder(telltale.contract, EmbeddedRegistry(telltale.contract))
    records = read_topic(telltale.client, telltale.contract.input(source).name)
    return [event for record in records if isinstance(event := decoder.decode(record), Received)]


def test_live_events_reach_their_topics_under_their_accounts(telltale: Telltale, tmp_path: Path) -> None:
    """
    Each event in its own topic, keyed by account, with the time it tells; Kafka's is that of the sending.
    """
    file = write(
        tmp_path / "events",
        account(NOON),
        login(NOON + 1),
        login(NOON + 2, account_id=None, email="a@b.example"),
    )

    answer = telltale("ingest", file)

    logins = received(telltale, "login")
    assert answer.err.startswith("3 events in ")
    assert [event.key for event in received(telltale, "account")] == [b"acme"]
    assert sorted((event.key or b"", (event.value or {})["occurred_at"]) for event in logins) == [
        (b"", NOON + 2),
        (b"acme", NOON + 1),
    ]
    assert all(event.timestamp != (event.value or {})["occurred_at"] for event in logins)


def test_an_account_that_is_closed_becomes_a_tombstone(telltale: Telltale, tmp_path: Path) -> None:
    """The account topic is compacted: null is how it forgets."""
    telltale(
        "ingest",
        write(tmp_path / "f", {"type": "account", "account_id": "acme", "occurred_at": NOON, "closed": True}),
    )

    (closing,) = received(telltale, "account")
    assert (closing.key, closing.value) == (b"acme", None)


def test_lines_that_cannot_be_sent_are_named_and_the_others_are_sent(
    telltale: Telltale, tmp_path: Path
) -> None:
    """Exit code 1, with file, line and reason; what is right does not wait for what is wrong."""
    file = write(tmp_path / "events", login(NOON), {"type": "visit"}, login(NOON) | {"occurred_at": "noon"})

    answer = telltale("ingest", file)

    assert answer.code == 1
    assert f"{file}:2: schema_mismatch: " in answer.err
    assert f"{file}:3: schema_mismatch: occurred_at " in answer.err
    assert "error: lines not sent: 2\nhint: " in answer.err
    assert len(received(telltale, "login")) == 1


def test_history_is_scorecards_then_events_in_order_with_ticks_between(
    telltale: Telltale, tmp_path: Path
) -> None:
    """Each partition has the scorecards first, its accounts' events, and the ticks of every hour."""
    file = write(tmp_path / "h", login(NOON + 2 * HOUR), account(NOON), login(NOON + 1))

    answer = telltale("ingest", "--history", file)

    assert answer.code == 0, answer.err
    assert "3 events from 2026-11-01 12:00 to 2026-11-01 14:00" in answer.err
    log = log_of(telltale)
    for entries in log.values():
        bodies = [entry.body for _, entry in entries]
        assert isinstance(bodies[0], Scorecards)
        ticks = [entry.observed_at for _, entry in entries if isinstance(entry.body, Tick)]
        assert ticks == [NOON, NOON + HOUR, NOON + 2 * HOUR]
    assert [(key, entry.observed_at, entry.offset) for key, entry in events_of(telltale)] == [
        ("acme", NOON, 1),
        ("acme", NOON + 1, 2),
        ("acme", NOON + 2 * HOUR, 3),
    ]


def test_a_load_that_broke_off_is_started_again(telltale: Telltale, tmp_path: Path) -> None:
    """The second load writes the same sources and offsets, which health drops; nothing refuses it."""
    file = tmp_path / "h"
    write(file, account(NOON), *(login(NOON + number * HOUR) for number in range(30)))
    _load_half(telltale, file)

    answer = telltale("ingest", "--history", str(file))

    assert answer.code == 0, answer.err
    offsets = [entry.offset for _, entry in events_of(telltale)]
    assert offsets == [*range(1, 16), *range(1, 32)]
    assert len({entry.source for _, entry in events_of(telltale)}) == 1


def _load_half(telltale: Telltale, file: Path) -> None:
    """What a load leaves that was killed in the middle."""
    history = open_history([file], contract=telltale.contract, pseudonyms=Pseudonyms(PSEUDONYM_KEY.encode()))
    codec = LogCodec(telltale.contract, EmbeddedRegistry(telltale.contract))
    with Appender(telltale.client) as appender:
        for key, entry in history.entries(until=NOON + 13 * HOUR):
            for partition in range(4) if not key else [None]:
                appender.append(
                    telltale.contract.log.name, key.encode(), codec.encode(entry), partition=partition
                )


def test_a_log_that_is_past_the_history_is_refused(telltale: Telltale, tmp_path: Path) -> None:
    """Its events would be scored as of the log's time: silence of months would be seen in none of them."""
    write(tmp_path / "later", account(NOON + HOUR), login(NOON + 2 * HOUR))
    telltale("ingest", "--history", str(tmp_path / "later"))
    before = log_of(telltale)

    answer = telltale(
        "ingest",
        "--history",
        write(tmp_path / "earlier", account(NOON, "beta"), login(NOON + 1, "beta")),
        TELLTALE_SCORECARDS=scorecards_of_ones_own(tmp_path),
    )

    assert answer.code == 1
    assert (
        "health.account-log.v1 tells 2026-11-01 14:00 already, the history begins on 2026-11-01 12:00"
        in answer.err
    )
    assert log_of(telltale) == before


def scorecards_of_ones_own(folder: Path) -> str:
    """A folder with one shipped scorecard under another version."""
    own = folder / "cards"
    own.mkdir()
    shipped = (SHIPPED / "small.toml").read_text()
    (own / "small.toml").write_text(re.sub(r'version = "\d+"', 'version = "7"', shipped))
    return str(own)


def test_a_log_that_somebody_else_writes_meanwhile_is_told(telltale: Telltale, tmp_path: Path) -> None:
    """One entry of an intake is enough: history behind its clock would not count."""
    lines = [account(NOON), *(login(NOON + minute * 60_000) for minute in range(3_000))]
    history = open_history(
        [Path(write(tmp_path / "h", *lines))],
        contract=telltale.contract,
        pseudonyms=Pseudonyms(PSEUDONYM_KEY.encode()),
    )
    registry = EmbeddedRegistry(telltale.contract)
    intake = Appender(telltale.client)
    tick = LogCodec(telltale.contract, registry).encode(LogEntry(NOON + 400 * HOUR, "", 0, 0, Tick()))
    seen = count()

    def write_between(_: int) -> None:
        if next(seen) == 100:
            intake.append(telltale.contract.log.name, b"", tick, partition=0)
            intake.flush()

    with AccountLog(telltale.client, telltale.contract, registry, partitions=4) as log:
        assert load_history(history, log, load_scorecards(), until=NOON + HOUR) == 62
        with pytest.raises(LogWasShared):
            load_history(history, log, load_scorecards(), progress=write_between)


def test_a_history_that_goes_on_from_the_last_one_is_taken(telltale: Telltale, tmp_path: Path) -> None:
    """Months can come in files of their own, in order."""
    first = write(tmp_path / "1", account(NOON), login(NOON + HOUR))
    second = write(tmp_path / "2", account(NOON + HOUR), login(NOON + 2 * HOUR))

    answers = [telltale("ingest", "--history", file) for file in (first, second)]

    assert [answer.code for answer in answers] == [0, 0]
    assert len(events_of(telltale)) == 4


def test_nothing_is_written_of_a_history_with_faults(telltale: Telltale, tmp_path: Path) -> None:
    """All faults are told before anything is in the log, where it would stay for good."""
    file = write(tmp_path / "h", account(NOON), login(NOON) | {"source": ""}, {"type": "visit"})

    answer = telltale("ingest", "--history", file)

    assert answer.code == 1
    assert "error: 2 lines cannot be used" in answer.err
    assert log_of(telltale) == {}


def test_a_log_with_another_partition_count_is_not_written(telltale: Telltale, tmp_path: Path) -> None:
    """Ticks would miss partitions that the settings do not know of."""
    file = write(tmp_path / "h", account(NOON))

    answer = telltale("ingest", "--history", file, TELLTALE_PARTITIONS="12")

    assert answer.code == 1
    assert "error: health.account-log.v1 has 4 partitions, TELLTALE_PARTITIONS says 12" in answer.err
    assert "hint: Set TELLTALE_PARTITIONS=4 everywhere" in answer.err
