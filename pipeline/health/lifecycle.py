"""
What has a life of steps, tickets and invoices: the open ones, the closed ones still remembered, and what was
forgotten.

Of one ticket or invoice the step with the highest (occurred_at, rank, event_id) holds, whatever the order of
arrival.
"""

from typing import Generic, Protocol, TypeAlias, TypeVar

StepKey: TypeAlias = tuple[int, int, str]
"""occurred_at, rank of the step, event_id: the highest of one ticket or invoice holds."""


class Entry(Protocol):
    """A ticket or an invoice as its steps leave it."""

    key: StepKey

    @property
    def is_open(self) -> bool:
        """Whether the step that holds leaves it open."""


_NEVER = 1 << 62
"""Later than any step."""

E = TypeVar("E", bound=Entry)


class Lifecycle(Generic[E]):
    """
    Entries by id. Closed ones are remembered so that a late step does not revive them.

    *forgotten_at* is the newest step that was forgotten: a step of an unknown entry that is not newer may
    belong to something closed and forgotten, so it is left out. *_oldest_open* and *_oldest_closed* are never
    after the oldest step of theirs, so that most days ``forget`` has nothing to look for.
    """

    __slots__ = ("_oldest_closed", "_oldest_open", "closed", "forgotten_at", "max_closed", "max_open", "open")

    def __init__(self, max_open: int, max_closed: int) -> None:
        self.open: dict[str, E] = {}
        self.closed: dict[str, E] = {}
        self.max_open = max_open
        self.max_closed = max_closed
        self.forgotten_at = -1
        self._oldest_open = self._oldest_closed = 0

    def find(self, entry_id: str) -> E | None:
        """Look an entry up, open or closed."""
        return self.open.get(entry_id) or self.closed.get(entry_id)

    def place(self, entry_id: str, entry: E) -> None:
        """
        File a new or changed entry as open or closed; past the bound the one with the oldest step is
        forgotten.
        """
        if entry.is_open:
            self.closed.pop(entry_id, None)
            self.open[entry_id] = entry
            self._oldest_open = min(self._oldest_open, entry.key[0])
            if len(self.open) > self.max_open:
                self._forget_oldest(self.open)
        else:
            self.open.pop(entry_id, None)
            self.closed[entry_id] = entry
            self._oldest_closed = min(self._oldest_closed, entry.key[0])
            if len(self.closed) > self.max_closed:
                self._forget_oldest(self.closed)

    def forget(self, open_before: int, closed_before: int) -> bool:
        """Forget what saw no step since then; whether there may have been such."""
        look_at_open, look_at_closed = self._oldest_open < open_before, self._oldest_closed < closed_before
        if look_at_open:
            self._oldest_open = self._drop_before(self.open, open_before)
        if look_at_closed:
            self._oldest_closed = self._drop_before(self.closed, closed_before)
        return look_at_open or look_at_closed

    def _drop_before(self, entries: dict[str, E], before: int) -> int:
        """Drop what saw no step since *before*; returns the oldest step that is left."""
        for entry_id in [i for i, entry in entries.items() if entry.key[0] < before]:
            self._drop(entries, entry_id)
        return min((entry.key[0] for entry in entries.values()), default=_NEVER)

    def _forget_oldest(self, entries: dict[str, E]) -> None:
        self._drop(entries, min(entries, key=lambda i: (entries[i].key, i)))

    def _drop(self, entries: dict[str, E], entry_id: str) -> None:
        self.forgotten_at = max(self.forgotten_at, entries.pop(entry_id).key[0])
