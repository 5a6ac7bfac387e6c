"""What the unit tests of the workers share."""

import os

import pytest

from agents.lane.fences import Exit
from tests.unit.agents.lane_in_memory import Stopped


@pytest.fixture(autouse=True)
def process_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fence raises Stopped instead of ending the test run."""

    def end(code: int) -> None:
        raise Stopped(Exit(code))  # type: ignore[call-arg]  # the member with this value

    monkeypatch.setattr(os, "_exit", end)
