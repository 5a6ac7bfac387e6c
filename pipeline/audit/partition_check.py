"""One partition of the log folded from its start, and held on the way against state, topics and rows."""

from collections import defaultdict
from typing import Final

from pipeline.audit.differences import Findings, Made, differing_fields
from pipeline.audit.row_check import RowCheck
from pipeline.audit.topic_check import TopicCheck
from pipeline.audit.written_records import Accounts, WrittenStates
from pipeline.health.fold import NO_LIMIT, PartitionFold
from pipeline.health.versions import Output
from pipeline.scorecards import read_documents
from pipeline.wire.position import Position, pack_position, unpack_position
from pipeline.wire.state import decode_account, decode_record, encode_account

_ONE_TIMER: Final = 1
_IN_MEMORY_ONLY: Final = frozenset({"queued_at", "size", "volume"})
"""What ``AccountState`` holds beside what is stored."""


class PartitionCheck:
    """
    Folds *partition* and compares what was written of *accounts*; what it finds stands in *findings*.

    *states* is the partition's part of the state table. *rows* is None where no database is looked at.
    """

    def __init__(
        self,
        partition: int,
        findings: Findings,
        *,
        accounts: Accounts,
        states: WrittenStates,
        topics: TopicCheck,
        rows: RowCheck | None,
    ) -> None:
        self.accounts: set[str] = set()
        """Those of *accounts* that the log knows."""
        self._partition = partition
        self._findings = findings
        self._chosen = accounts
        self._states = states
        self._topics = topics
        self._rows = rows
        self._reached = states.position
        self._fold = PartitionFold(partition, read_documents, epoch=self._reached.epoch)
        self._last: dict[str, Made] = {}
        """The last entry that changed each account."""
        self._wanted: dict[Position, list[str]] = defaultdict(list)
        for account_id, value in states.accounts.items():
            if self._is_chosen(account_id):
                self._wanted[unpack_position(value)].append(account_id)
        self._cut_inside = {at.next_offset for at in (*self._wanted, self._reached) if at.timers_fired}

    def take(self, made: Made, account_id: str) -> None:
        """Go on with the next entry of the partition's log, which is of *account_id*."""
        fold, (offset, entry) = self._fold, made
        # A state may have been written between two timers; then it is compared there.
        limit = _ONE_TIMER if offset in self._cut_inside else NO_LIMIT
        while not fold.take(account_id, entry, offset, limit):
            self._end_step(made)
        self._end_step(made)

    def finish(self) -> None:
        """Note what the log has not come to; it is read to its end."""
        behind = self._fold.next_offset - self._reached.next_offset
        self._findings.lag["entries"] += max(0, behind)
        for at, accounts in self._wanted.items():
            for account_id in accounts:
                ahead = ("position", at.next_offset, f"none: the log ends at {self._fold.next_offset}")
                self._findings.add(account_id, "state", [ahead], self._last.get(account_id))
        self._topics.finish()

    def _end_step(self, made: Made) -> None:
        fold = self._fold
        at = Position(fold.epoch, fold.next_offset, fold.timers_fired)
        step = fold.take_step()
        for account_id in filter(self._is_chosen, step.changed):
            self._last[account_id] = made
            self.accounts.add(account_id)
        for account_id, output in step.outputs:
            if self._is_chosen(account_id):
                self._compare_output(output, made, is_due=at <= self._reached)
        for account_id in self._wanted.pop(at, ()):
            self._compare_state(account_id, at)
        if at == self._reached:
            self._compare_partition()

    def _is_chosen(self, account_id: str) -> bool:
        return self._chosen is None or account_id in self._chosen

    def _compare_output(self, output: Output, made: Made, *, is_due: bool) -> None:
        expected = self._topics.compare(output, made, is_due=is_due)
        if self._rows is not None:
            self._rows.compare(expected, made)

    def _compare_state(self, account_id: str, at: Position) -> None:
        written, state = self._states.accounts[account_id], self._fold.states.get(account_id)
        made = self._last.get(account_id)
        if state is None:
            unknown = ("state", "a state", "none: no entry of the log is of this account")
            self._findings.add(account_id, "state", [unknown], made)
            return
        recomputed = encode_account(pack_position(at), state)
        if recomputed != written:
            # Both decoded: neither has what is remembered in memory alone, and both are of this program's
            # version.
            pair = decode_account(written), decode_account(recomputed)
            differing = list(differing_fields(*pair, without=_IN_MEMORY_ONLY))
            self._findings.add(account_id, "state", differing, made)
            if differing:
                return
        self._findings.compared["states"] += 1

    def _compare_partition(self) -> None:
        """Compare the partition's own record, and see that no account is missing."""
        assert self._states.record is not None, "there is a position only where there is a record"
        written, recomputed = decode_record(self._states.record), self._fold.record()
        differing = differing_fields(written, recomputed, without={"topic_id"})  # a log does not know its own
        self._findings.add("", f"state of partition {self._partition}", differing, None)
        for account_id in filter(self._is_chosen, self._fold.states.keys() - self._states.accounts.keys()):
            missing = ("state", "none", "a state")
            self._findings.add(account_id, "state", [missing], self._last.get(account_id))
