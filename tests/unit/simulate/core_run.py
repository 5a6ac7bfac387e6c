"""Lines of the simulator through the real intake and the real core, with ticks between them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent, HealthSnapshot
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.simulate.clock import to_datetime, to_ms
from pipeline.simulate.portfolio import ToldStory, ndjson
from pipeline.wire.contract import Contract
from pipeline.wire.ndjson import EventLines


class Opened(NamedTuple):
    """An alert that opened, or opened again."""

    account_id: str
    sign: str
    at: datetime


class CoreRun:
    """What the shipped scorecards make of lines, which are fed in the order of their delivery."""

    def __init__(self) -> None:
        directory = AccountDirectory()
        self._directory = directory
        self._intake = Intake(directory=directory, pseudonyms=Pseudonyms(b"a key for tests only"))
        self._reader = EventLines(Contract.load())
        self._fold = PartitionFold(0, read_documents)
        self._offset = 0
        self._clock = 0
        self.opened: list[Opened] = []
        self.snapshots: dict[str, list[HealthSnapshot]] = {}
        self._advance(LogEntry(0, "", 0, 0, Scorecards(list(load_scorecards().documents))))

    def feed(self, lines: Iterable[dict[str, Any]], *, until: datetime, tick: timedelta) -> None:
        """
        Take *lines* in, with a tick each *tick* and one at *until*; a line the intake rejects is an error.
        """
        step = tick // timedelta(milliseconds=1)
        for text in ndjson(iter(lines)):
            received = self._reader.read(text.encode(), "file:test", self._offset)
            assert isinstance(received, Received), (received, text)
            self._pass_time(received.timestamp, step)
            if received.event == "account":
                self._intake.follow(received, received.timestamp)
            decision = self._intake.process(received, received.timestamp)
            assert isinstance(decision, Accepted), (decision, text)
            self._fold.apply(decision.account_id, decision.entry, self._offset)
            self._offset += 1
        self._pass_time(to_ms(until), step)
        self._advance(LogEntry(to_ms(until), "", 0, 0, Tick()))

    def alerts_of(self, story: ToldStory) -> list[Opened]:
        """What opened for the story's account in its time."""
        return [
            alert
            for alert in self.opened
            if alert.account_id == story.account_id and story.begins <= alert.at <= story.ends
        ]

    def lost_points(self, story: ToldStory) -> float:
        """
        How far the story's component fell from what it was at the beginning, or from 100 if it was not known
        yet.
        """
        before, lowest = 100.0, 100.0
        for snapshot in self.snapshots[story.account_id]:
            score = next(part.score for part in snapshot.components if part.name == story.component)
            if score is not None and snapshot.as_of < to_ms(story.begins):
                before = score
            elif score is not None and snapshot.as_of <= to_ms(story.ends):
                lowest = min(lowest, score)
        return before - lowest

    def _pass_time(self, until: int, step: int) -> None:
        """
        Tick at every full *step* (ms) since the last tick, up to *until*; time begins with the first event.
        """
        tick = (self._clock or until) // step * step + step
        while tick <= until:
            self._advance(LogEntry(tick, "", 0, 0, Tick()))
            tick += step
        self._clock = max(self._clock, until)

    def _advance(self, entry: LogEntry) -> None:
        self._fold.advance(entry, self._offset, 1 << 62)
        self._offset += 1
        for account_id, output in self._fold.take_step().outputs:
            if isinstance(output, HealthSnapshot):
                self.snapshots.setdefault(account_id, []).append(output)
            elif isinstance(output, AlertEvent) and output.transition in {"OPENED", "REOPENED"}:
                self.opened.append(Opened(account_id, output.sign, to_datetime(output.as_of)))
