"""One partition of the log folded for a rebuild: what is kept of it, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.kafka.records import Record
from pipeline.rebuild.rebuilt_partition import Kept, Kind, LogIncomplete, RebuiltPartition, scratch_folder
from pipeline.scorecards import read_documents
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import OutputDecoder
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD, unpack_position
from pipeline.wire.state import decode_fold
from tests.unit.agents.health_in_memory import CARDS, DAY, START, login
from tests.unit.agents.workers_in_memory import CONTRACT, REGISTRY

encode = LogCodec(CONTRACT, REGISTRY).encode


def log(days: int) -> list[Record]:
    """
    Scorecards, then each day a login of two accounts, and a tick in which the second goes dark at the end.
    """
    entries = [(b"", LogEntry(START, "", 0, 0, Scorecards(CARDS)))]
    for day in range(days):
        at = START + day * DAY
        for account in (b"acc-0", b"acc-1"):
            entries.append((account, LogEntry(at, "login", 0, len(entries), login(len(entries), at))))
        entries.append((b"", LogEntry(at, "", 0, 0, Tick())))
    entries.append((b"", LogEntry(START + (days + 30) * DAY, "", 0, 0, Tick())))
    return [
        Record(CONTRACT.log.name, 2, offset, 0, key, encode(entry), ())
        for offset, (key, entry) in enumerate(entries)
    ]


def rebuilt(records: Sequence[Record], *, park_at: int | None = None, skip_lost: bool = False) -> list[Kept]:
    """What is to be written of *records*, the states parked on disk at one of them."""
    fold = PartitionFold(2, read_documents, epoch=4, topic_id="log-7")
    with RebuiltPartition(fold, contract=CONTRACT, registry=REGISTRY, skip_lost=skip_lost) as partition:
        partition.fold(records[:park_at])
        if park_at is not None:
            partition.park()
            assert partition.accounts == 0
            partition.resume()
            partition.fold(records[park_at:])
        return list(partition.records())


def test_outputs_come_before_states_and_the_partitions_record_last() -> None:
    """
    Changes and alerts as they came, then the newest snapshot of each account; all under the epoch of the
    rebuild.
    """
    kept = rebuilt(log(10))

    kinds = [record.kind for record in kept]
    history = [kind for kind in kinds if kind in {Kind.CHANGE, Kind.ALERT}]
    assert kinds[len(history) :] == [Kind.SNAPSHOT] * 2 + [Kind.STATE] * 4
    assert [record.key for record in kept[-2:]] == [SCORECARDS_RECORD, PARTITION_RECORD]
    decode = OutputDecoder(CONTRACT, REGISTRY).decode
    changes = [decode(CONTRACT.change.name, each.value) for each in kept if each.kind is Kind.CHANGE]
    snapshots = [decode(CONTRACT.current.name, each.value) for each in kept if each.kind is Kind.SNAPSHOT]
    for snapshot in snapshots:
        versions = [each["version"] for each in changes if each["account_id"] == snapshot["account_id"]]
        assert versions == list(range(1, snapshot["version"] + 1))
    assert {value["epoch"] for value in changes + snapshots} == {4}


def test_the_states_are_a_fold_that_goes_on_behind_the_last_entry() -> None:
    """A worker restores them as it does any other."""
    records = log(3)
    values = {each.key: each.value for each in rebuilt(records) if each.kind is Kind.STATE}

    record, cards = values.pop(PARTITION_RECORD), values.pop(SCORECARDS_RECORD)
    fold = decode_fold(2, record, values, cards, read_documents)

    assert unpack_position(record) == (4, len(records), 0)
    assert (fold.topic_id, set(fold.states)) == ("log-7", {"acc-0", "acc-1"})


@pytest.mark.parametrize("place", [0, 1, 8, -1])
def test_where_it_was_parked_shows_in_no_byte(place: int) -> None:
    """One partition is in memory at a time, so each is parked once."""
    records = log(6)

    assert rebuilt(records, park_at=place % len(records)) == rebuilt(records)


@pytest.mark.parametrize(
    ("lost", "said"),
    [(0, "entries 0 to 0 are gone"), (4, "entries 4 to 4 are gone")],
    ids=["begin", "middle"],
)
def test_a_log_that_has_lost_entries_is_refused_unless_told_otherwise(lost: int, said: str) -> None:
    """The state would be that of another history; whoever wants that has to say so."""
    records = log(3)
    del records[lost]

    with pytest.raises(LogIncomplete, match=said) as refused:
        rebuilt(records)

    assert "--from-what-is-left" in refused.value.hint
    assert rebuilt(records, skip_lost=True)[-1].key == PARTITION_RECORD


def test_what_is_kept_lies_where_tmpdir_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A log of years is gigabytes: on the disk the operator names, or nowhere."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "not mounted"))
    fold = PartitionFold(2, read_documents, epoch=4, topic_id="log-7")

    with pytest.raises(FileNotFoundError, match="not mounted"):
        RebuiltPartition(fold, contract=CONTRACT, registry=REGISTRY)


def test_what_is_kept_lies_on_disk_unless_somebody_says_otherwise() -> None:
    """In a container, and on many systems, /tmp is memory; /var/tmp never is."""
    assert scratch_folder({}) == "/var/tmp"
    assert scratch_folder({"TMPDIR": "/mnt/large"}) == "/mnt/large"
