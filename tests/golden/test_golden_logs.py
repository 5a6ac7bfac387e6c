"""
Whatever a release wrote opens in this one: its log, its changelog, and what it told others.

Each folder of ``logs`` is one release, run on the embedded broker: a history with every event type,
scorecards of a user in the midst of it, live events, ticks. `c55cabc` had state version 1 and another
arithmetic, `1e00a40` state version 2 and the present scores.
"""

from collections import Counter

import pytest

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.versions import FOLD_VERSION
from pipeline.health.windows import DAY
from pipeline.scorecards import read_documents
from pipeline.wire.outputs import OutputDecoder
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD, Position, pack_position, take_epoch
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import decode_fold, encode_account
from tests.golden.golden_logs import (
    CONTRACT,
    FOLD_VERSIONS,
    RELEASES,
    SAME_SCORES,
    TOPICS,
    fold_on,
    folded,
    log_of,
    told_otherwise,
    written,
)

BODIES = {
    "AccountClosed", "AccountFacts", "Action", "Invoice", "Login", "Scorecards", "SupportTicket", "SurveyResponse", "Tick",
}  # fmt: skip
"""What these releases could write."""

SCORED_ALIKE = [release for release in RELEASES if FOLD_VERSIONS[release] in SAME_SCORES]


@pytest.mark.parametrize("release", RELEASES)
def test_the_log_holds_everything_a_log_can_hold(release: str) -> None:
    """Or the tests below would say less than they seem to."""
    bodies = Counter(type(entry.body) for entries in log_of(release).values() for _, entry in entries)

    assert {body.__name__ for body in bodies} == BODIES
    assert bodies[Scorecards] == 2 * len(log_of(release))
    assert bodies[Tick] > 100


@pytest.mark.parametrize("release", SCORED_ALIKE)
def test_the_log_is_scored_as_the_release_scored_it(release: str) -> None:
    """Every change, snapshot and alert event, in all that the release knew of."""
    decoder = OutputDecoder(CONTRACT, EmbeddedRegistry(CONTRACT))
    _, outputs = folded(release)

    for what in ("change", "current", "alert"):
        told = written(release, what)
        unknown = decoder.lacking(TOPICS[what], told[0].value)
        expected = [decoder.decode(TOPICS[what], record.value) for record in told]
        assert len(outputs[what]) == len(expected)
        for ours, row in zip(outputs[what], expected, strict=True):
            known = row.keys() - unknown - told_otherwise(release, row)
            assert {name: ours[name] for name in known} == {name: row[name] for name in known}


@pytest.mark.parametrize("release", RELEASES)
def test_the_log_of_any_arithmetic_is_scored(release: str) -> None:
    """Versions of each account count up from one, and every account of the release is there."""
    _, outputs = folded(release)
    told = {record.key.decode() for record in written(release, "current")}
    versions: dict[str, list[int]] = {}
    for row in outputs["change"]:
        versions.setdefault(row["account_id"], []).append(row["version"])

    assert versions.keys() == told
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in versions.values())


def restored(release: str, partition: int) -> PartitionFold:
    """The fold as a worker makes it of the changelog."""
    newest = {
        record.key: record.value for record in written(release, "changelog") if record.partition == partition
    }
    states = take_epoch(partition, newest)
    record, cards = states.pop(PARTITION_RECORD), states.pop(SCORECARDS_RECORD, None)
    return decode_fold(partition, record, states, cards, read_documents)


@pytest.mark.parametrize("release", RELEASES)
def test_the_changelog_opens_and_the_fold_goes_on_from_it(release: str) -> None:
    """A month passes after the last entry of the log: accounts are scored, and nothing stops the fold."""
    for partition, entries in log_of(release).items():
        fold = restored(release, partition)
        assert fold.next_offset == len(entries)

        outputs = fold_on(fold, [*entries, ("", LogEntry(fold.watermark + 30 * DAY, "", 0, 0, Tick()))])

        assert bool(outputs) == bool(fold.states)
        assert {output.fold_version for _, output in outputs if hasattr(output, "fold_version")} <= {
            FOLD_VERSION
        }


@pytest.mark.parametrize("release", SCORED_ALIKE)
def test_the_changelog_holds_what_the_log_gives(release: str) -> None:
    """
    To the byte, once both are written by this release; it does not remember ids of events that it leaves out.
    """
    position = pack_position(Position(1, 0, 0))
    folds, _ = folded(release)
    for partition, fold in folds.items():
        there = restored(release, partition)
        assert there.states.keys() == fold.states.keys()
        for name, state in there.states.items():
            state.seen_ids = fold.states[name].seen_ids
            assert encode_account(position, state) == encode_account(position, fold.states[name])
        assert there.record() == fold.record()
