"""
The lines of history files: where they are, when each was observed, and their order; what they say is not looked at.

Nothing of a file is held but 24 bytes a line, so its size does not matter.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final
from zlib import crc32

_HASH_DIGITS: Final = 16
_BUCKETS: Final = 1 << 12


class HistoryFile:
    """
    One history file, mapped; a line is found by the place where it begins.

    *source* is its name in the log, made of its bytes where it is not given. Sent to another process it is mapped
    there again.
    """

    __slots__ = ("_bytes", "path", "source")

    def __init__(self, path: Path, source: str = "") -> None:
        self.path = path
        self.source = source or f"file:{_digest(path)[:_HASH_DIGITS]}"
        with path.open("rb") as file:
            # What is empty cannot be mapped.
            self._bytes = mmap(file.fileno(), 0, access=ACCESS_READ) if path.stat().st_size else mmap(-1, 1)
