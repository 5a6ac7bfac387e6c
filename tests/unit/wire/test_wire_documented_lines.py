"""The lines of docs/events.md: each is read, and none is rejected."""

from pathlib import Path

from pipeline.intake.event_types import BY_NAME
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Received
from pipeline.wire.history import open_history
from pipeline.wire.ndjson import EventLines
from tests.unit.wire.wire_builders import CONTRACT

DOCUMENT = Path(__file__).parents[3] / "docs" / "events.md"


def test_the_documented_lines_make_a_history(tmp_path: Path) -> None:
    """One of each type, every one of them placed at its account, and the last closes it."""
    _, block, _ = DOCUMENT.read_text().split("```")
    lines = block.removeprefix("json\n")
    file = tmp_path / "events.ndjson"
    file.write_text(lines)

    history = open_history([file], contract=CONTRACT, pseudonyms=Pseudonyms(b"k" * 32))
    entries = [(account_id, entry) for account_id, entry in history.entries() if account_id]

    assert history.left_out == {}
    assert {account_id for account_id, _ in entries} == {"acme"}
    assert len(entries) == 7
    read = EventLines(CONTRACT).read
    received = [read(line.encode()) for line in lines.splitlines()]
    assert {one.event if isinstance(one, Received) else one.code for one in received} == set(BY_NAME)
