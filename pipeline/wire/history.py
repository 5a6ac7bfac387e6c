"""
History files: past events in the order in which they became known, with the passing of time between them.

    # BadHistory names what is wrong
    history = open_history([path], contract=contract, pseudonyms=pseudonyms)
    for account_id, entry in history.entries(): ...                # log entries; account_id is "" for a tick

The intake decides about every line as it does about a live record. Accounts are known from the start: the
files' account lines fill the directory before the first event is placed. Files are read several times
(accounts, order, faults, entries) and never held, so their size does not matter. Who can take back what came
of the entries needs no look for faults before: unchecked, a history is read once less, and ends at the first
fault with ``FaultyLine``; ``history.check()`` then names them all.

A file is one source partition: ``file:`` and the first 16 digits of its SHA-256, partition 0. The offset is
the event's number in the order of ``observed_at`` (at one time: in the order of the file), from 1, because
offsets of a source must rise in the log; in a file that is in order and has no blank line it is the line.
Lines that are left out keep their number, so that loading a file again gives the same offsets whatever the
directory knows by then.

    TelltaleError
    └── BadHistory      no event, or lines that cannot be used
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import TelltaleError
from pipeline.health.events import LogEntry
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import CODES, Code, Received, Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.history_lines import HistoryFile, LineIndex
from pipeline.wire.history_share import LEFT_OUT, HistoryShare, ShareReader
from pipeline.wire.line_scan import Glance, LineScan
from pipeline.wire.ndjson import EventLines

_SHOWN: Final = 20

_WAYS_OUT: Final[Mapping[Code, str]] = {
    "decode": "Write one JSON object a line, in UTF-8.",
    "schema_mismatch": "Use the types and fields that docs/events.md shows; schemas/ has a sentence on each field.",
}
"""Of a line that is not right, where it differs from that of a record in a topic."""


class LineFault(NamedTuple):
    """What is wrong with one line of a file."""

    path: Path
    line: int
    code: Code
    detail: str


class BadHistory(TelltaleError):  # noqa: N818 - reads as what happened
    """Lines that cannot be used: *faults* are the first 20, *count* is how many there are."""

    def __init__(self, faults: Sequence[LineFault], count: int) -> None:
        self.faults = tuple(faults)
        self.count = count
        lines = [f"{path}:{line}: {code}: {detail}" for path, line, code, detail in faults]
        more = [f"… and {count - len(faults)} more"] if count > len(faults) else []
        codes = dict.fromkeys(fault.code for fault in faults)
        ways = [f"{code}: {_WAYS_OUT.get(code, CODES[code].hint)}" for code in codes]
        super().__init__(
            "\n".join([f"{count} lines cannot be used, so none is.", *lines, *more]), hint="\n".join(ways)
        )


class History:
    """
    History files whose accounts are known and whose lines are in order.

    *sources* are the files' names in the log; *left_out* counts, after a check, by code, the lines that a
    history may leave out: those that no account was found for, and actions that are not supported. The files
    are looked through the first time that their order, number or times are asked for.
    """

    def __init__(
        self,
        files: Sequence[HistoryFile],
        *,
        contract: Contract,
        pseudonyms: Pseudonyms,
        directory: AccountDirectory,
    ) -> None:
        self.left_out: Counter[Code] = Counter()
        self._files = tuple(files)
        self._contract = contract
        self._pseudonyms = pseudonyms
        self._directory = directory
        self._lines = EventLines(contract)
        self._intake = Intake(directory=directory, pseudonyms=pseudonyms)
        self._learn_accounts()
        self.sources = tuple(file.source for file in files)

    @property
    def events(self) -> int:
        """How many lines the files have."""
        return len(self._index)

    @property
    def first(self) -> int:
        """The earliest ``observed_at``, ms UTC."""
        return self._index.span()[0]

    @property
    def last(self) -> int:
        """The latest ``observed_at``, ms UTC."""
        return self._index.span()[1]

    def entries(self, until: int | None = None) -> Iterator[tuple[str, LogEntry]]:
        """Log entries of all accounts, as ``ShareReader.entries`` makes them."""
        (share,) = self.shares(1)
        return ShareReader(share, contract=self._contract, pseudonyms=self._pseudonyms).entries(until)

    def shares(self, count: int) -> list[HistoryShare]:
        """*count* shares with about as many lines each, all lines of an account in one of them."""
        first, last = self._index.span()
        return [
            HistoryShare(files=self._files, lines=lines, directory=self._directory, first=first, last=last)
            for lines in self._index.in_order(count)
        ]

    def check(self) -> None:
        """Read all lines; ``BadHistory`` names every kind of fault, so that one correction is enough."""
        self.left_out.clear()
        faults: list[LineFault] = []
        count = lines = 0
        for file in self._files:
            for number, _, line in file.lines():
                lines += 1
                received = self._lines.read(line)
                decision = self._account_of(received) if isinstance(received, Received) else received
                if isinstance(decision, str):
                    continue
                if decision.code in LEFT_OUT:
                    self.left_out[decision.code] += 1
                    continue
                count += 1
                if count <= _SHOWN:
                    faults.append(LineFault(file.path, number, decision.code, decision.detail))
        if faults:
            raise BadHistory(faults, count)
        if not lines:
            raise _without_events(self._files[0].path)

    def _learn_accounts(self) -> None:
        """
        Fill the directory with the facts of every account in the files that it does not know already.

        Closings are passed over: who has left by the end of a history was a customer in it, and is what it is
        for.
        """
        learned: set[str] = set()
        for file in self._files:
            for line in file.lines_with(b'"account"'):  # nearly all lines are logins
                received = self._lines.read(line)
                if (
                    not isinstance(received, Received)
                    or received.event != "account"
                    or received.value is None
                ):
                    continue
                account_id = received.value["account_id"]
                if account_id in learned or account_id not in self._directory:
                    learned.add(account_id)
                    self._intake.follow(received, received.timestamp)

    @cached_property
    def _index(self) -> LineIndex:
        """When and about whom every line is; a line that has no time makes a bad history."""
        index = LineIndex()
        look_at = LineScan(self._directory).look_at
        for file_number, file in enumerate(self._files):
            for _, place, line in file.lines():
                glance = look_at(line) or self._read_closely(line)
                if glance is None:
                    self.check()  # raises, since it reads this line too
                else:
                    index.add(*glance, file_number, place)
        if not len(index):
            raise _without_events(self._files[0].path)
        return index

    def _read_closely(self, line: bytes) -> Glance | None:
        received = self._lines.read(line)
        if isinstance(received, Rejected):
            return None
        account_id = self._account_of(received)
        if isinstance(account_id, Rejected) and account_id.code not in LEFT_OUT:
            return None  # it is refused anyway, and its time may be no time
        return received.timestamp, account_id.encode() if isinstance(account_id, str) else b""

    def _account_of(self, received: Received) -> str | Rejected:
        return self._intake.account_of(received, received.timestamp)


def open_history(
    paths: Sequence[Path],
    *,
    contract: Contract,
    pseudonyms: Pseudonyms,
    directory: AccountDirectory | None = None,
    checked: bool = True,
) -> History:
    """
    The history in the files at *paths*; ``BadHistory`` if it has no events or, when *checked*, any fault.

    Accounts that *directory* knows already keep their claims. Lines whose account is not found are left out.
    """
    for path in paths:
        if path.stat().st_size == 0:
            raise _without_events(path)
    history = History(
        [HistoryFile(path) for path in paths],
        contract=contract,
        pseudonyms=pseudonyms,
        directory=AccountDirectory() if directory is None else directory,
    )
    if checked:
        history.check()
    return history


def _without_events(path: Path) -> BadHistory:
    return BadHistory([LineFault(path, 1, "decode", "the file has no events")], 1)
