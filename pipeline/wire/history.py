"""
History files: past events in the order in which they became known, with the passing of time between them.

    history = open_history([path], contract=contract, pseudonyms=pseudonyms)   # BadHistory names what is wrong
    for account_id, entry in history.entries(): ...                # log entries; account_id is "" for a tick

The intake decides about every line as it does about a live record. Accounts are known from the start: the files'
account lines fill the directory before the first event is placed. Files are read three times (accounts, faults,
entries) and never held, so their size does not matter.

A file is one source partition: ``file:`` and the first 16 digits of its SHA-256, partition 0. The offset is the
event's number in the order of ``observed_at`` (at one time: in the order of the file), from 1, because offsets of
a source must rise in the log; in a file that is in order it is the line. Lines that are left out keep their
number, so that loading a file again gives the same offsets whatever the directory knows by then.

    TelltaleError
    └── BadHistory      no event, or lines that cannot be used
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import TelltaleError
from pipeline.health.events import LogEntry, Tick
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import CODES, Accepted, Code, Received, Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.ndjson import EventLines

TICK_INTERVAL: Final = 3_600_000
"""A tick at every full hour, ms."""

_SHOWN: Final = 20
_HASH_DIGITS: Final = 16
_LEFT_OUT: Final[frozenset[Code]] = frozenset({"unresolved_account", "ambiguous_account"})
"""Live, such a record waits in the dead-letter topic for its account; a history without it is still a history."""


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
        ways = [f"{code}: {CODES[code].way_out}" for code in dict.fromkeys(fault.code for fault in faults)]
        super().__init__(
            "\n".join([f"{count} lines cannot be used, so none is.", *lines, *more]), hint="\n".join(ways)
        )


class _File:
    """One history file, mapped; a line is found by the place where it begins."""

    __slots__ = ("_bytes", "path", "source")

    def __init__(self, path: Path) -> None:
        self.path = path
        digest = sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
            if file.tell() == 0:
                raise _without_events(path)  # what is empty cannot be mapped
            self._bytes = mmap(file.fileno(), 0, access=ACCESS_READ)
        self.source = f"file:{digest.hexdigest()[:_HASH_DIGITS]}"

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, place and text of every line that is not blank."""
        number = place = 0
        while line := self.line(place):
            number += 1
            if not line.isspace():
                yield number, place, line
            place += len(line)

    def lines_with(self, text: bytes) -> Iterator[bytes]:
        """The lines in which *text* stands, found without looking at the others."""
        found = self._bytes.find(text)
        while found >= 0:
            place = self._bytes.rfind(b"\n", 0, found) + 1
            line = self.line(place)
            yield line
            found = self._bytes.find(text, place + len(line))

    def line(self, place: int) -> bytes:
        """The line that begins at *place*; empty at the end."""
        self._bytes.seek(place)
        return self._bytes.readline()


class _Index:
    """When each line was observed and where it is: 18 bytes a line."""

    __slots__ = ("_file_numbers", "_observed", "_places")

    def __init__(self) -> None:
        self._observed = array("q")
        self._places = array("Q")
        self._file_numbers = array("H")

    def __len__(self) -> int:
        return len(self._observed)

    def add(self, observed_at: int, file_number: int, place: int) -> None:
        """Add a line, in the order of files and lines."""
        self._observed.append(observed_at)
        self._file_numbers.append(file_number)
        self._places.append(place)

    def span(self) -> tuple[int, int]:
        """The first and the last time."""
        return min(self._observed), max(self._observed)

    def in_order(self) -> Iterator[tuple[int, int, int]]:
        """Time, number of the file and place of every line, the earliest first, else in the order of adding."""
        # Sorting what is sorted costs a comparison a line.
        for index in sorted(range(len(self)), key=self._observed.__getitem__):
            yield self._observed[index], self._file_numbers[index], self._places[index]


class History:
    """
    History files without faults.

    *sources* are the files' names in the log; *events* counts their lines, *left_out* those of them, by code, that
    no account was found for. *first* and *last* are the earliest and the latest ``observed_at``, ms UTC.
    """

    def __init__(
        self,
        files: Sequence[_File],
        index: _Index,
        left_out: Mapping[Code, int],
        lines: EventLines,
        intake: Intake,
    ) -> None:
        self.sources = tuple(file.source for file in files)
        self.events = len(index)
        self.left_out = left_out
        self.first, self.last = index.span()
        self._files = files
        self._index = index
        self._lines = lines
        self._intake = intake

    def entries(self, until: int | None = None) -> Iterator[tuple[str, LogEntry]]:
        """
        Account id and log entry of every event observed up to *until* (unless given, of all), with ticks.

        A tick at every full hour follows what was observed up to then, and one at the end, *until* or the last
        event's time, is the last entry. A tick's account id is empty.
        """
        end = self.last if until is None else until
        hour = -(-self.first // TICK_INTERVAL) * TICK_INTERVAL
        numbers = [0] * len(self._files)
        for observed_at, file_number, place in self._index.in_order():
            if observed_at > end:
                break
            while hour < observed_at:
                yield "", _tick(hour)
                hour += TICK_INTERVAL
            file = self._files[file_number]
            numbers[file_number] += 1
            received = self._lines.read(file.line(place), file.source, numbers[file_number])
            if isinstance(received, Received):
                decision = self._intake.process(received, observed_at)
                if isinstance(decision, Accepted):
                    yield decision
        while hour < end:
            yield "", _tick(hour)
            hour += TICK_INTERVAL
        yield "", _tick(end)


def open_history(
    paths: Sequence[Path],
    *,
    contract: Contract,
    pseudonyms: Pseudonyms,
    directory: AccountDirectory | None = None,
) -> History:
    """
    Read the files at *paths* through; ``BadHistory`` names every kind of fault, so that one correction is enough.

    Accounts that *directory* knows already keep their claims. Lines whose account is not found are left out.
    """
    known = AccountDirectory() if directory is None else directory
    lines = EventLines(contract)
    intake = Intake(directory=known, pseudonyms=pseudonyms)
    files = [_File(path) for path in paths]
    _learn_accounts(files, lines, intake, known)
    index, left_out = _check(files, lines, intake)
    return History(files, index, left_out, lines, intake)


def _learn_accounts(
    files: Sequence[_File], lines: EventLines, intake: Intake, directory: AccountDirectory
) -> None:
    """
    Fill *directory* with the latest facts of every account in *files*.

    Closings are passed over: who has left by the end of a history was a customer in it, and is what it is for.
    """
    latest: dict[str, int] = {}
    for file in files:
        for line in file.lines_with(b'"account"'):  # nearly all lines are logins
            received = lines.read(line)
            if not isinstance(received, Received) or received.event != "account" or received.value is None:
                continue
            account_id = received.value["account_id"]
            if account_id in directory and account_id not in latest:
                continue
            if received.timestamp >= latest.get(account_id, received.timestamp):
                latest[account_id] = received.timestamp
                intake.follow(received)


def _check(files: Sequence[_File], lines: EventLines, intake: Intake) -> tuple[_Index, Counter[Code]]:
    """Where the events of *files* are, and how many of them no account is found for; or all faults."""
    index = _Index()
    left_out: Counter[Code] = Counter()
    faults: list[LineFault] = []
    count = 0
    for file_number, file in enumerate(files):
        for number, place, line in file.lines():
            received = lines.read(line)
            decision: str | Rejected
            if isinstance(received, Received):
                index.add(received.timestamp, file_number, place)
                decision = intake.account_of(received, received.timestamp)
            else:
                decision = received
            if isinstance(decision, str):
                continue
            if decision.code in _LEFT_OUT:
                left_out[decision.code] += 1
                continue
            count += 1
            if count <= _SHOWN:
                faults.append(LineFault(file.path, number, decision.code, decision.detail))
    if faults:
        raise BadHistory(faults, count)
    if not len(index):
        raise _without_events(files[0].path)
    return index, left_out


def _without_events(path: Path) -> BadHistory:
    return BadHistory([LineFault(path, 1, "decode", "the file has no events")], 1)


def _tick(at: int) -> LogEntry:
    return LogEntry(at, "", 0, 0, Tick())
