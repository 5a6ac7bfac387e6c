"""
Bytes of the state table, of every version there has been: each is still read, and means what it meant.

`states/vN.ndjson` holds what version N made of the scenario `edges`: its accounts, the partition's record,
and the scorecards. Those of older versions are never written again; beside each stands what this version
makes of it.
"""

import base64
import json
from pathlib import Path

import pytest

from pipeline.health.fold import PartitionFold
from pipeline.health.replay import with_scorecards
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.history import open_history
from pipeline.wire.history_share import ShareReader
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD
from pipeline.wire.state import (
    STATE_VERSION,
    decode_fold,
    encode_account,
    encode_record,
    encode_scorecards,
    position_of,
)

SCENARIO = Path(__file__).with_name("scenarios") / "edges.ndjson"
STATES = Path(__file__).with_name("states")


def folded() -> PartitionFold:
    """The fold of the scenario, as a second rebuild would have it."""
    pseudonyms = Pseudonyms(b"the key of the golden states, 32")
    [share] = open_history([SCENARIO], contract=Contract.load(), pseudonyms=pseudonyms).shares(1)
    reader = ShareReader(share, contract=Contract.load(), pseudonyms=pseudonyms)
    fold = PartitionFold(0, read_documents, epoch=3, topic_id="golden")
    entries = with_scorecards(reader.entries(None), load_scorecards().documents)
    for offset, (account_id, entry) in enumerate(entries):
        fold.take(account_id, entry, offset)
    return fold


def values(fold: PartitionFold) -> dict[bytes, bytes]:
    """The fold as the state table has it."""
    assert fold.scorecards is not None
    position = position_of(fold)
    accounts = {name.encode(): encode_account(position, state) for name, state in fold.states.items()}
    cards = {SCORECARDS_RECORD: encode_scorecards(position, fold.scorecards)}
    return accounts | cards | {PARTITION_RECORD: encode_record(fold.record())}


def read(file: Path) -> dict[bytes, bytes]:
    lines = map(json.loads, file.read_text().splitlines())
    return {line["key"].encode(): base64.b64decode(line["value"]) for line in lines}


def write(file: Path, found: dict[bytes, bytes]) -> None:
    lines = [
        json.dumps({"key": key.decode(), "value": base64.b64encode(value).decode()})
        for key, value in found.items()
    ]
    file.write_text("\n".join(lines) + "\n")


def test_this_version_writes_the_bytes_agreed_upon(
    monkeypatch: pytest.MonkeyPatch, *, update_golden: bool
) -> None:
    """
    A field at the end of a list, or a component, makes them longer. Any other change takes a new version, and
    an upcaster for those of the last.

    The scenario has actions that the intake rejects by now: older logs hold them, and they fold as they did.
    """
    monkeypatch.setattr("pipeline.intake.action._UNSUPPORTED", frozenset())
    file, found = STATES / f"v{STATE_VERSION}.ndjson", values(folded())
    if update_golden:
        write(file, found)

    assert found == read(file)


@pytest.mark.parametrize("version", range(1, STATE_VERSION + 1))
def test_what_any_version_wrote_is_read(version: int, *, update_golden: bool) -> None:
    """Written again by this version, it is what was agreed upon; of this very version, the same bytes."""
    states = read(STATES / f"v{version}.ndjson")
    record, cards = states.pop(PARTITION_RECORD), states.pop(SCORECARDS_RECORD)
    is_old = version < STATE_VERSION
    file = STATES / (f"v{version}-as-v{STATE_VERSION}.ndjson" if is_old else f"v{version}.ndjson")

    found = values(decode_fold(0, record, states, cards, read_documents))
    if update_golden and is_old:
        write(file, found)

    assert found == read(file)
