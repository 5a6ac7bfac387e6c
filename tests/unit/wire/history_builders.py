"""Lines of history files, the files, and their histories."""

import json
from pathlib import Path
from typing import Any

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.wire.history import History, open_history
from tests.unit.wire.wire_builders import CONTRACT

HOUR = 3_600_000
NINE = 1_772_442_000_000  # 2026-03-02T09:00:00Z
MINUTE = 60_000
PEOPLE = Pseudonyms(b"k" * 32)


def login(observed_at: int, event_id: str = "e-1", **fields: Any) -> dict[str, Any]:
    """A login that was observed at once."""
    return {
        "type": "login",
        "event_id": event_id,
        "occurred_at": observed_at,
        "source": "app",
        "user_id": "u-1",
        **({"account_id": "acme"} | fields),
    }


def event_id(entry: LogEntry) -> str:
    """The id of what must be an event."""
    assert not isinstance(entry.body, Tick | Scorecards), entry
    return entry.body.event_id


def account(observed_at: int, account_id: str, **fields: Any) -> dict[str, Any]:
    """An account's facts."""
    return {
        "type": "account",
        "event_id": f"{account_id}-{observed_at}",
        "occurred_at": observed_at,
        "source": "crm",
        "account_id": account_id,
        "name": account_id,
        **fields,
    }


def file_of(folder: Path, *lines: dict[str, Any] | str, name: str = "history.ndjson") -> Path:
    """A file of these lines."""
    path = folder / name
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def opened(*paths: Path, directory: AccountDirectory | None = None) -> History:
    """A history that must be good."""
    return open_history(paths, contract=CONTRACT, pseudonyms=PEOPLE, directory=directory)
