"""
What has a life of steps, tickets and invoices: the open ones, the closed ones still remembered, and what was forgotten.

Of one ticket or invoice the step with the highest (occurred_at, rank, event_id) holds, whatever the order of arrival.
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


E = TypeVar("E", bound=Entry)


class Book(Generic[E]):
    """
    Entries by id. Closed ones are remembered so that a late step does not revive them.

    *forgotten_at* is the newest step that was forgotten: a step of an unknown entry that is not newer may belong to
    something closed and forgotten, so it is left out.
    """

    __slots__ = ("closed", "forgotten_at", "max_closed", "max_open", "open")

    def __init__(self, max_open: int, max_closed: int) -> None:
        self.open: dict[str, E] = {}
        self.closed: dict[str, E] = {}
        self.max_open = max_open
        self.max_closed = max_closed
        self.forgotten_at = -1

    def find(self, entry_id: str) -> E | None:
        """Look an entry up, open or closed."""
        return self.open.get(entry_id) or self.closed.get(entry_id)

    def place(self, entry_id: str, entry: E) -> None:
        """File a new or changed entry as open or closed; past the bound the one with the oldest step is forgotten."""
        if entry.is_open:
            self.closed.pop(entry_id, None)
            self.open[entry_id] = entry
            if len(self.open) > self.max_open:
                self._forget_oldest(self.open)
        else:
            self.open.pop(entry_id, None)
            self.closed[entry_id] = entry
            if len(self.closed) > self.max_closed:
                self._forget_oldest(self.closed)

    def forget(self, open_before: int, closed_before: int) -> None:
        """Forget what saw no step since then."""
        for entries, before in ((self.open, open_before), (self.closed, closed_before)):
            for entry_id in [i for i, entry in entries.items() if entry.key[0] < before]:
                self._drop(entries, entry_id)

    def _forget_oldest(self, entries: dict[str, E]) -> None:
        self._drop(entries, min(entries, key=lambda i: (entries[i].key, i)))

    def _drop(self, entries: dict[str, E], entry_id: str) -> None:
        self.forgotten_at = max(self.forgotten_at, entries.pop(entry_id).key[0])
