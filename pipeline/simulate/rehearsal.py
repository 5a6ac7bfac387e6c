"""
One account's history through the intake and the core, so that a story can be laid by what the core will make
of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.health.account import AccountState
from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.health.outputs import AlertEvent
from pipeline.health.replay import fold_all, with_scorecards
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.simulate.clock import HOUR, to_ms
from pipeline.simulate.habits import Life
from pipeline.simulate.portfolio import Portfolio, ndjson
from pipeline.wire.contract import Contract
from pipeline.wire.ndjson import EventLines

# People are only told apart here, and no pseudonym leaves the rehearsal.
_KEY = b"telltale rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """
    Histories from *start* to *now* of a portfolio with this *seed*, scored by *scorecards*, documents as the
    log holds them.
    """

    seed: int
    start: datetime
    now: datetime
    contract: Contract = field(default_factory=Contract.load)
    scorecards: tuple[str, ...] = field(default_factory=lambda: load_scorecards().documents)

    def when_dark(self, life: Life) -> int:
        """
        When the account counts as dark if nobody signs in from now on, ms UTC; 0 if it has no rhythm yet.
        """
        return self._state_of(life).dark_at

    def alerts(self, life: Life, until: datetime) -> list[AlertEvent]:
        """Every transition of the account's alerts up to *until*, in order."""
        entries = with_scorecards(self._log(life, until), self.scorecards)
        return [output for _, output in fold_all(entries, read_documents) if isinstance(output, AlertEvent)]

    def _log(self, life: Life, until: datetime) -> Iterator[tuple[str, LogEntry]]:
        """The life's entries with a tick an hour, and one at the end."""
        hour = to_ms(self.start)
        for entry in self._entries(life, until):
            while hour < entry.observed_at:
                yield "", LogEntry(hour, "", 0, 0, Tick())
                hour += HOUR
            yield life.profile.account_id, entry
        yield "", LogEntry(to_ms(until), "", 0, 0, Tick())

    def _state_of(self, life: Life) -> AccountState:
        fold = PartitionFold(0, read_documents)
        cards = LogEntry(0, "", 0, 0, Scorecards(list(self.scorecards)))
        fold.advance(cards, 0, 1)
        for offset, entry in enumerate(self._entries(life, self.now), 1):
            fold.apply(life.profile.account_id, entry, offset)
        return fold.states[life.profile.account_id]

    def _entries(self, life: Life, end: datetime) -> Iterator[LogEntry]:
        alone = Portfolio(seed=self.seed, start=self.start, end=end, lives=(life,), stories=())
        directory = AccountDirectory()
        intake = Intake(directory=directory, pseudonyms=Pseudonyms(_KEY))
        reader = EventLines(self.contract)
        for number, line in enumerate(ndjson(alone.lines()), 1):
            received = reader.read(line.encode(), "rehearsal", number)
            assert isinstance(received, Received), f"the simulator wrote a line nobody can read: {line}"
            if received.event == "account":
                intake.follow(received, received.timestamp)
            decision = intake.process(received, received.timestamp)
            assert isinstance(decision, Accepted), f"the simulator wrote an event the intake rejects: {line}"
            yield decision.entry
