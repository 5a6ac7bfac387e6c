"""
The lines of history files: where they are, when each was observed, and their order; what they say is not
looked at.

Of a line some numbers are held, 42 bytes at most, so the size of the files does not matter.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final
from zlib import crc32

_HASH_DIGITS: Final = 16
_BUCKETS: Final = 1 << 12


class HistoryFile:
    """
    One history file, not empty and mapped; a line is found by the place where it begins.

    *source* is its name in the log, made of its bytes unless given. In another process it is mapped again.
    """

    __slots__ = ("_bytes", "path", "source")

    def __init__(self, path: Path, source: str = "") -> None:
        self.path = path
        with path.open("rb") as file:
            self._bytes = mmap(file.fileno(), 0, access=ACCESS_READ)
        self.source = source or f"file:{sha256(self._bytes).hexdigest()[:_HASH_DIGITS]}"

    def __reduce__(self) -> tuple[type["HistoryFile"], tuple[Path, str]]:
        return HistoryFile, (self.path, self.source)

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, place and text of every line that is not blank."""
        place = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
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


class OrderedLines:
    """
    Lines by the time when they were observed: in which file and where they are, their numbers there, and a
    bucket each.

    All lines of an account are in one bucket.
    """

    __slots__ = ("_buckets", "_file_numbers", "_numbers", "_places")

    def __init__(self) -> None:
        self._file_numbers = array("H")
        self._places = array("Q")
        self._numbers = array("I")
        self._buckets = array("H")

    def __len__(self) -> int:
        return len(self._places)

    def read(self, files: Sequence[HistoryFile]) -> Iterator[tuple[str, int, bytes]]:
        """Source, number in the order of its file, and text of every line."""
        for file_number, place, number in zip(self._file_numbers, self._places, self._numbers, strict=True):
            file = files[file_number]
            yield file.source, number, file.line(place)

    def append(self, file_number: int, place: int, number: int, bucket: int) -> None:
        """Add the next line."""
        self._file_numbers.append(file_number)
        self._places.append(place)
        self._numbers.append(number)
        self._buckets.append(bucket)

    def by_bucket(self) -> Iterator["OrderedLines"]:
        """The lines of each bucket by themselves."""
        indexes: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        for index, bucket in enumerate(self._buckets):
            indexes[bucket].append(index)
        for bucket, chosen in indexes.items():
            lines = OrderedLines()
            for index in chosen:
                lines.append(self._file_numbers[index], self._places[index], self._numbers[index], bucket)
            yield lines


class LineIndex:
    """Lines as they stand in their files, each with a bucket that has the whole of its account."""

    __slots__ = ("_buckets", "_file_numbers", "_observed", "_places")

    def __init__(self) -> None:
        self._observed = array("q")
        self._places = array("Q")
        self._file_numbers = array("H")
        self._buckets = array("H")

    def __len__(self) -> int:
        return len(self._observed)

    def add(self, observed_at: int, account_id: bytes, file_number: int, place: int) -> None:
        """Add a line, in the order of files and lines."""
        self._observed.append(observed_at)
        self._places.append(place)
        self._file_numbers.append(file_number)
        self._buckets.append(crc32(account_id) % _BUCKETS)

    def span(self) -> tuple[int, int]:
        """The first and the last time."""
        return min(self._observed), max(self._observed)

    def in_order(self, shares: int) -> list[OrderedLines]:
        """
        The lines by time, else in the order of adding, in *shares* of about one length with whole accounts.

        A line keeps its number, whatever the shares.
        """
        share_of = _shared_out(Counter(self._buckets), shares)
        made = [OrderedLines() for _ in range(shares)]
        counts = [0] * (max(self._file_numbers, default=0) + 1)
        # Sorting what is sorted costs a comparison a line.
        for index in sorted(range(len(self)), key=self._observed.__getitem__):
            file_number = self._file_numbers[index]
            counts[file_number] += 1
            bucket = self._buckets[index]
            made[share_of[bucket]].append(file_number, self._places[index], counts[file_number], bucket)
        return made


def _shared_out(sizes: Counter[int], shares: int) -> dict[int, int]:
    """The share of every bucket: the largest first, each to the share that has least."""
    loads = [0] * shares
    share_of = {}
    for bucket, size in sizes.most_common():
        share = min(range(shares), key=loads.__getitem__)
        loads[share] += size
        share_of[bucket] = share
    return share_of
