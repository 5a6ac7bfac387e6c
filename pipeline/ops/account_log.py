"""
The account log as the command line writes it: scorecards into every partition, and history.

Its other writer is the intake. Both may write at once, since what each of them writes stands in the order of
its own source; only history must be alone, for which ``LogEnd.watermark`` and ``AccountLog.length`` are
asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Final, Self

from pipeline.errors import TelltaleError
from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.scorecard import ScorecardSet
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Appender, offsets, partitions_of, read_topic
from pipeline.ops.backpressure import Pace
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import Registry

_NEWEST: Final = 2_000


class ScorecardsConflict(TelltaleError):  # noqa: N818 - these read as what happened
    """
    Scorecards have the name and version of others that the log holds, and other contents: a change would not
    say by which.
    """


class WrongPartitionCount(TelltaleError):  # noqa: N818
    """The log has another number of partitions than the settings say: accounts would be placed wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """
    What the newest entries of the log say.

    *watermark* is the highest tick among them, ms UTC, 0 if the log has none; *clocks* has the highest of
    each partition that has one among its newest entries. *scorecards* has the newest documents by partition,
    of the partitions that have some among the newest 2,000 entries. *sources* are those of the events seen.
    """

    clocks: Mapping[int, int]
    scorecards: Mapping[int, tuple[str, ...]]
    sources: frozenset[str]

    @property
    def watermark(self) -> int:
        """The highest tick, ms UTC; 0 if there is none."""
        return max(self.clocks.values(), default=0)


class AccountLog:
    """
    Reads the end of the log and appends to it, at the *pace* of its reader; a with-block ends when all is
    acknowledged.

    *appended* counts the entries that this object has appended.
    """

    def __init__(
        self,
        client: Configuration,
        contract: Contract,
        registry: Registry,
        *,
        partitions: int,
        pace: Pace | None = None,
    ) -> None:
        self.topic = contract.log.name
        self._client = client
        self._codec = LogCodec(contract, registry)
        self._partitions = partitions_of(client, self.topic)
        if len(self._partitions) != partitions:
            raise WrongPartitionCount(
                f"{self.topic} has {len(self._partitions)} partitions, TELLTALE_PARTITIONS says {partitions}",
                hint=f"Set TELLTALE_PARTITIONS={len(self._partitions)} everywhere; the count is fixed for the life of a log.",
            )
        self._pace = pace
        self.appended = 0

    @cached_property
    def _appender(self) -> Appender:
        return Appender(self._client, self._pace.delivered if self._pace else None)

    def end(self) -> LogEnd:
        """Read the newest entries, and go back further until there is a tick among them."""
        longest = max(end - first for first, end in offsets(self._client, [self.topic]).values())
        newest = _NEWEST
        while True:
            found = self._read_newest(newest)
            if found.watermark or newest >= longest:
                return found
            newest *= 10

    def length(self) -> int:
        """How many entries have ever been appended, by anybody."""
        return sum(end for _, end in offsets(self._client, [self.topic]).values())

    def append(self, account_id: str, entry: LogEntry) -> None:
        """Append an event to its account's partition, or, without an account, a tick to every partition."""
        if not account_id:
            self.append_to(self._partitions, entry)
            return
        value = self._codec.encode(entry)
        self._appender.append(self.topic, account_id.encode(), value)
        self.appended += 1
        if self._pace is not None:
            self._pace.wait(self._appender, len(account_id) + len(value))

    def append_to(self, partitions: list[int], entry: LogEntry) -> None:
        """Append a tick or scorecards to *partitions*."""
        value = self._codec.encode(entry)
        for partition in partitions:
            self._appender.append(self.topic, b"", value, partition=partition)
        self.appended += len(partitions)

    def flush(self) -> None:
        """Wait until everything appended is acknowledged."""
        self._appender.flush()

    def activate(self, cards: ScorecardSet, now: int) -> list[int]:
        """
        Append *cards* to each partition whose newest scorecards are others, and return those partitions.

        *now* is the time of the entries, ms UTC. Where the newest ones stand too far back to be found they
        are written again: scorecards that are active already change nothing. Raises ``ScorecardsConflict``
        where one of the same name and version has other contents.
        """
        known = self.end().scorecards
        for documents in set(known.values()):
            _refuse_conflicts(cards, read_documents(documents))
        changed = [partition for partition in self._partitions if known.get(partition) != cards.documents]
        self.append_to(changed, LogEntry(now, "", 0, 0, Scorecards(list(cards.documents))))
        self.flush()
        return changed

    def _read_newest(self, newest: int) -> LogEnd:
        clocks: dict[int, int] = {}
        scorecards, sources = {}, set()
        for record in read_topic(self._client, self.topic, newest=newest):
            entry = self._codec.decode(record.value or b"")
            match entry.body:
                case Tick():
                    clocks[record.partition] = max(clocks.get(record.partition, 0), entry.observed_at)
                case Scorecards(documents):
                    scorecards[record.partition] = tuple(documents)
                case _:
                    sources.add(entry.source)
        return LogEnd(clocks=clocks, scorecards=scorecards, sources=frozenset(sources))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._appender.__exit__(kind, error, trace)


def _refuse_conflicts(cards: ScorecardSet, known: ScorecardSet) -> None:
    digests = {(card.name, card.version): card.digest for card in known.cards}
    conflicts = [
        f"{card.name} {card.version}"
        for card in cards.cards
        if digests.get((card.name, card.version), card.digest) != card.digest
    ]
    if conflicts:
        raise ScorecardsConflict(
            f"the account log has other contents for {', '.join(conflicts)}",
            hint="Raise the version in each file that was changed: a health change names its scorecard by it.",
        )
