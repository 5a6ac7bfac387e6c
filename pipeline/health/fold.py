"""
The fold of one partition of the account log: entries in, states and outputs out. No clock, no I/O; same log,
same bytes.

The worker that owns the partition calls it with one entry at a time and writes what a step changed. How the
log is cut into steps shows neither in states nor in outputs.
"""

from hashlib import blake2b
from heapq import heapify, heappop, heappush
from typing import Final

from pipeline.health.account import AccountState
from pipeline.health.components import COMPONENT_NAMES
from pipeline.health.dirty import EVICTED, LEFT_OUT, NOTHING
from pipeline.health.events import (
    NO_EVENT,
    ChangeKind,
    LogEntry,
    Scorecards,
)
from pipeline.health.partition import Counters, PartitionRecord, Step
from pipeline.health.scorecard import ReadScorecards, ScorecardSet
from pipeline.health.scoring import rescore
from pipeline.health.seen_ids import hash_of
from pipeline.health.windows import DAY, MINUTE

NEW_STATE_BYTES: Final = 1_000
"""What an account is taken to need in a batch until it has been written once."""

NO_LIMIT: Final = 1 << 62
"""Bytes of a step that is never cut, since nothing is written between two entries."""

RECORD_BYTES: Final = 200
"""Room in a batch around each state: position, framing, and growth since it was last written."""


class PartitionFold:
    """
    The states of a partition's accounts and its position in the log.

    The caller sees to it that offsets come without gaps. *read_scorecards* reads the documents of the log's
    scorecards. *watermark* is the last tick; *source_offsets* hold the highest offset applied of each source
    partition; *timers_fired* counts within the entry at *next_offset*, so that recovery can go on inside it.
    *pending_bytes* estimates what the step so far will take to write.
    """

    def __init__(
        self, partition: int, read_scorecards: ReadScorecards, *, epoch: int = 1, topic_id: str = ""
    ) -> None:
        self.partition = partition
        self._read_scorecards = read_scorecards
        self.epoch = epoch
        self.topic_id = topic_id
        self.states: dict[str, AccountState] = {}
        self.next_offset = 0
        self.timers_fired = 0
        self.watermark = 0
        self.source_offsets: dict[tuple[str, int], int] = {}
        self.counters = Counters()
        self.scorecards: ScorecardSet | None = None
        self.cards_offset = -1
        self.pending_bytes = 0
        self._heap: list[tuple[int, str]] = []
        self._to_rescore: list[str] | None = None
        self._step = Step()

    @classmethod
    def restored(
        cls,
        partition: int,
        read_scorecards: ReadScorecards,
        record: PartitionRecord,
        states: dict[str, AccountState],
        scorecards: ScorecardSet | None,
    ) -> "PartitionFold":
        """
        The fold as it was when *record* was written; the caller has checked that states and record belong
        together.
        """
        fold = cls(partition, read_scorecards, epoch=record.epoch, topic_id=record.topic_id)
        fold.states = states
        fold.next_offset = record.next_offset
        fold.timers_fired = record.timers_fired
        fold.watermark = record.watermark
        fold.source_offsets = dict(record.source_offsets)
        fold.counters = record.counters
        fold.scorecards = scorecards
        fold.cards_offset = record.cards_offset
        for account_id, state in states.items():
            if state.due_at:
                state.queued_at = state.due_at
                fold._heap.append((state.due_at, account_id))
        heapify(fold._heap)
        return fold

    def record(self) -> PartitionRecord:
        """
        The position and all else that belongs to no account; encode it before the fold goes on, it shares the
        source offsets.
        """
        return PartitionRecord(
            epoch=self.epoch,
            next_offset=self.next_offset,
            timers_fired=self.timers_fired,
            watermark=self.watermark,
            topic_id=self.topic_id,
            cards_offset=self.cards_offset,
            accounts=len(self.states),
            source_offsets=self.source_offsets,
            counters=self.counters,
        )

    def take(self, account_id: str, entry: LogEntry, offset: int, limit: int = NO_LIMIT) -> bool:
        """
        Take in any entry: an event of *account_id* as ``apply`` does, another as ``advance`` does, which may
        return False.
        """
        if isinstance(entry.body, NO_EVENT):
            return self.advance(entry, offset, limit)
        self.apply(account_id, entry, offset)
        return True

    def apply(self, account_id: str, entry: LogEntry, offset: int) -> None:
        """
        Take in an event.

        One at or below its source's offset is a repeat of the intake, one whose id was seen is a duplicate of
        its source: both change no account.
        """
        self.next_offset = offset + 1
        self.timers_fired = 0
        source_offsets, counters = self.source_offsets, self.counters
        source = (entry.source, entry.partition)
        if entry.offset <= source_offsets.get(source, -1):
            counters.repeats += 1
            return
        source_offsets[source] = entry.offset
        event = entry.body
        assert not isinstance(event, NO_EVENT), "ticks and scorecards go to advance()"
        state = self.states.get(account_id)
        if state is None:
            state = self.states[account_id] = AccountState(_roll_offset(account_id), COMPONENT_NAMES)
            state.size = NEW_STATE_BYTES
        event_hash = hash_of(event)
        if state.seen_ids.holds(event_hash):
            counters.duplicates += 1
            return
        counters.events += 1
        self._note_changed(account_id, state)
        state.as_of = max(state.as_of, entry.observed_at)
        today = state.as_of // DAY
        if event.occurred_at < today * DAY:
            counters.late += 1
        if 0 < state.derived.scored_day < today and state.closed_by is None:
            # The day's windows move before the event is applied, so that what time did is not said of the
            # event.
            self._rescore(account_id, state, watermark=self.watermark, kind="TIME")
        evicted = state.people.evicted
        dirty = state.apply(event, entry.observed_at)
        if dirty == LEFT_OUT:
            counters.left_out += 1  # and not remembered: sent again, it may be taken then
            return
        state.seen_ids.remember(event_hash)
        if dirty & EVICTED:
            counters.evicted += state.people.evicted - evicted
        if dirty or not state.derived.scored_day:
            self._rescore(
                account_id, state, watermark=self.watermark, kind=event.change, dirty=dirty, entry=entry
            )

    def advance(self, entry: LogEntry, offset: int, limit: int) -> bool:
        """
        Take in a tick or scorecards, until the step holds *limit* bytes of states.

        False when it must be called again with the same entry, after ``take_step``: the position then stands
        inside it. Raises what *read_scorecards* raises of scorecards that this version cannot read.
        """
        self.next_offset = offset
        if isinstance(entry.body, Scorecards):
            done = self._take_scorecards(entry.body, entry.observed_at, offset, limit)
        else:
            done = self._fire_timers(entry.observed_at, limit)
        if done:
            self.next_offset = offset + 1
            self.timers_fired = 0
        return done

    def take_step(self) -> Step:
        """End the step and hand it out; encode it before the fold goes on, for states change in place."""
        step = self._step
        self._step = Step()
        self.pending_bytes = 0
        return step

    def _fire_timers(self, tick: int, limit: int) -> bool:
        """Fire what is due by *tick*, the smallest (due_at, account_id) first, each as of its own time."""
        if tick <= self.watermark:
            return True
        heap, states = self._heap, self.states
        while heap and heap[0][0] <= tick:
            due, account_id = heap[0]
            state = states[account_id]
            if due != state.queued_at:  # an earlier moment was queued since, and looks again itself
                heappop(heap)
            elif due != state.due_at:
                heappop(heap)
                state.queued_at = 0
                self._queue(account_id, state)
            elif self.pending_bytes >= limit:
                return False
            else:
                heappop(heap)
                state.queued_at = 0
                state.as_of = max(state.as_of, due)
                self._note_changed(account_id, state)
                self._rescore(account_id, state, watermark=max(self.watermark, due), kind="TIME")
                self.timers_fired += 1
        self.watermark = tick
        return True

    def _take_scorecards(self, body: Scorecards, observed_at: int, offset: int, limit: int) -> bool:
        """Score every account by the new scorecards; those that are active already change nothing."""
        if offset != self.cards_offset:
            if self.scorecards is not None and tuple(body.documents) == self.scorecards.documents:
                return True
            self.scorecards = self._read_scorecards(tuple(body.documents))
            self.cards_offset = offset
            self._step.scorecards_changed = True
        if self._to_rescore is None:
            left = [name for name, state in self.states.items() if state.derived.cards_offset != offset]
            self._to_rescore = sorted(left, reverse=True)
        while self._to_rescore:
            if self.pending_bytes >= limit:
                return False
            account_id = self._to_rescore.pop()
            state = self.states[account_id]
            state.as_of = max(state.as_of, observed_at)
            self._note_changed(account_id, state)
            self._rescore(account_id, state, watermark=self.watermark, kind="SCORECARD")
            self.timers_fired += 1
        self._to_rescore = None
        return True

    def _rescore(
        self,
        account_id: str,
        state: AccountState,
        *,
        watermark: int,
        kind: ChangeKind,
        dirty: int = NOTHING,
        entry: LogEntry | None = None,
    ) -> None:
        state.watermark = watermark
        if state.derived.cards_offset != self.cards_offset:
            state.derived.cards_offset = self.cards_offset
            state.derived.scored_day = 0
        outputs = rescore(
            state,
            account_id,
            epoch=self.epoch,
            cards=self.scorecards,
            dirty=dirty,
            kind=kind,
            entry=entry,
        )
        if outputs:
            self._step.outputs += [(account_id, output) for output in outputs]
        self._queue(account_id, state)

    def _note_changed(self, account_id: str, state: AccountState) -> None:
        changed = self._step.changed
        if account_id not in changed:
            changed[account_id] = state
            self.pending_bytes += state.size + len(account_id) + RECORD_BYTES

    def _queue(self, account_id: str, state: AccountState) -> None:
        """Put the account's next moment on the heap, unless an earlier entry looks there first."""
        due = state.due_at
        if due and (not state.queued_at or due < state.queued_at):
            state.queued_at = due
            heappush(self._heap, (due, account_id))


def _roll_offset(account_id: str) -> int:
    """
    Milliseconds after midnight UTC at which the account's day is scored: a minute of its own, so that not all
    come at once.
    """
    minute = int.from_bytes(blake2b(account_id.encode(), digest_size=4).digest()) % (24 * 60)
    return minute * MINUTE
