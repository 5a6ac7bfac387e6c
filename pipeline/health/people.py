"""
The people of one account who were seen, as hashes: who is active, and which important ones are missing.

Columns, not objects: an account of 5,000 seats is written as four copies of memory (95 kB). Names never come
here.
"""

from array import array
from itertools import accumulate
from typing import NamedTuple

from pipeline.health.events import Role
from pipeline.health.windows import Ring, longest_pause

PERSON_SIZE = 8
MEMORY_DAYS = 64
"""Days a person is remembered after the last login, and days of theirs that are known."""

MAX_PEOPLE = 50_000
"""
People of one account who are remembered: 19 bytes each, so that a state stays well below what one batch
takes.

More than any number of seats we know of; beyond it breadth stops at so many, and key people may be forgotten.
"""

FORGOTTEN_AT_ONCE = 2_500
"""How many go when one too many comes: a twentieth, so that most arrivals cost nothing more."""

ROLES: tuple[Role, ...] = ("UNKNOWN", "USER", "ADMIN", "CHAMPION", "EXECUTIVE")
"""Stored as places in this tuple; of two roles said on one day the later place holds."""

SPONSORS: tuple[Role, ...] = ("CHAMPION", "EXECUTIVE")

EVICTED_OTHERS = -2
"""A person was not known, and there were so many that others were forgotten."""

_CHAMPION = ROLES.index("CHAMPION")
_RANK = {role: rank for rank, role in enumerate(ROLES)}
_MASK = (1 << MEMORY_DAYS) - 1
_FOUR_WEEKS = (1 << 28) - 1
_NEVER = 1 << 31


class KeyPeople(NamedTuple):
    """Sponsors and power users: how many are there, how many miss, and the most important of those."""

    present: int
    missing: int
    sponsors_missing: int
    missing_role: Role
    missing_days: int


NOBODY = KeyPeople(0, 0, 0, "UNKNOWN", 0)


class People:
    """
    Everybody seen in the last ``MEMORY_DAYS`` days, at most ``MAX_PEOPLE``; *evicted* counts those who left
    for others' sake.

    *active_days* holds a bit for each day, the lowest the person's own last day. The number active in a
    window is kept up to date by counting people per last day, so the order of logins does not matter.
    *_oldest* is never after the smallest last day, so that most days ``forget`` has nothing to look for. The
    places by id and that count are made of the columns when first asked for: 100,000 accounts are restored at
    once and then heard of one by one.
    """

    __slots__ = ("_index", "_last_days", "_oldest", "active_days", "evicted", "ids", "last_days", "roles")

    def __init__(
        self,
        ids: bytes = b"",
        last_days: bytes = b"",
        active_days: bytes = b"",
        roles: bytes = b"",
        evicted: int = 0,
    ) -> None:
        """Nobody, or the people whose columns a state holds."""
        self.ids = bytearray(ids)
        self.last_days = array("H", last_days)
        self.active_days = array("Q", active_days)
        self.roles = array("B", roles)
        self.evicted = evicted
        self._oldest = 0
        self._index: dict[bytes, int] | None = None
        self._last_days = Ring(MEMORY_DAYS)

    def __len__(self) -> int:
        return len(self.last_days)

    def saw(self, person: bytes, day: int, role: Role) -> int:
        """
        Note that *person* used the product on *day*.

        Returns the day the person had been seen last, -1 if they were not known, EVICTED_OTHERS if others had
        to leave for them.
        """
        places = self._index if self._index is not None else self._reindex()
        index = places.get(person)
        if index is None:
            if len(self.last_days) >= MAX_PEOPLE:  # more, where an older release wrote the state
                self._evict(len(self.last_days) - MAX_PEOPLE + FORGOTTEN_AT_ONCE)
                self.saw(person, day, role)
                return EVICTED_OTHERS
            places[person] = len(self.last_days)
            self.ids += person
            self.last_days.append(day)
            self.active_days.append(1)
            self.roles.append(_RANK[role])
            self._last_days.add(day)
            self._oldest = min(self._oldest, day)
            return -1
        last = self.last_days[index]
        rank = _RANK[role]
        if day == last:
            if rank > self.roles[index]:  # noqa: PLR1730 - the hot path: nearly always equal, and a call costs
                self.roles[index] = rank
            return last
        if day > last:
            self.active_days[index] = ((self.active_days[index] << (day - last)) | 1) & _MASK
            self.last_days[index] = day
            self._last_days.add(last, -1)
            self._last_days.add(day)
            if rank:
                self.roles[index] = rank
        elif day > last - MEMORY_DAYS:
            self.active_days[index] |= 1 << (last - day)
            self.roles[index] = self.roles[index] or rank
        return last

    def active(self, day: int, days: int) -> int:
        """
        Number of people seen in the *days* days that end with *day*, or later; *days* at most
        ``MEMORY_DAYS``.
        """
        if self._index is None:
            self._reindex()
        return self._last_days.total(day - days + 1, self._last_days.newest)

    def forget(self, day: int) -> None:
        """Drop who was not seen in the ``MEMORY_DAYS`` days before *day*; the others keep their order."""
        oldest = day - MEMORY_DAYS + 1
        if self._oldest >= oldest:
            return
        self._oldest = min(self.last_days, default=_NEVER)
        if self._oldest >= oldest:
            return
        self._keep([index for index, last in enumerate(self.last_days) if last >= oldest])

    def _evict(self, number: int) -> None:
        """Drop the *number* seen longest ago; of one day those who came first into the account."""
        by_age = sorted(range(len(self.last_days)), key=self.last_days.__getitem__)
        self._keep(sorted(by_age[number:]))
        self.evicted += number

    def _keep(self, kept: list[int]) -> None:
        """Drop all but those in the places *kept*, which keep their order."""
        size = PERSON_SIZE
        self.ids = bytearray().join([self.ids[index * size : index * size + size] for index in kept])
        self.last_days = array("H", [self.last_days[index] for index in kept])
        self.active_days = array("Q", [self.active_days[index] for index in kept])
        self.roles = array("B", [self.roles[index] for index in kept])
        self._index = None

    def key_people(self, day: int, missing_days: int, power_days: int, regular_days: int) -> KeyPeople:
        """
        Sponsors, and power users: *power_days* active days in the four weeks before they were last seen.

        One is missing after *missing_days* days, or twice their own longest pause. Who was seen on fewer than
        *regular_days* days cannot be missing. Nor can anybody unless at least half of the people around at
        that time went on: when all stop at once it is a change of sign-on that renames them, or the account's
        own silence.
        """
        present, missing, sponsors = 0, 0, 0
        worst = (False, 0, 0)
        turnover: dict[int, tuple[int, int]] = {}
        important = [
            (last, mask, rank)
            for last, mask, rank in zip(self.last_days, self.active_days, self.roles, strict=True)
            if rank >= _CHAMPION or (mask & _FOUR_WEEKS).bit_count() >= power_days
        ]
        for last, mask, rank in important:
            gone = day - last
            if gone < missing_days or gone < 2 * longest_pause(mask):
                present += 1
                continue
            turnover = turnover or self._turnover()
            stayed, around = turnover[last]
            if mask.bit_count() >= regular_days and 2 * stayed >= around:
                missing += 1
                sponsors += rank >= _CHAMPION
                worst = max(worst, (rank >= _CHAMPION, gone, rank))
        return KeyPeople(present, missing, sponsors, ROLES[worst[2]], worst[1])

    def _turnover(self) -> dict[int, tuple[int, int]]:
        """
        For each last day: how many were seen on both sides of it, and how many were seen in the week up to it
        or later.
        """
        start = min(self.last_days) - MEMORY_DAYS
        size = max(self.last_days) - start + 2
        came, left = [0] * size, [0] * size
        for last, mask in zip(self.last_days, self.active_days, strict=True):
            came[last - mask.bit_length() + 1 - start] += 1
            left[last - start] += 1
        came, left = list(accumulate(came)), list(accumulate(left))
        return {
            last: (came[last - start] - left[last - start], came[last - start] - left[last - 7 - start])
            for last in dict.fromkeys(self.last_days)
        }

    def _reindex(self) -> dict[bytes, int]:
        size, ids = PERSON_SIZE, bytes(self.ids)
        self._index = {ids[at : at + size]: at // size for at in range(0, len(ids), size)}
        self._last_days = Ring(MEMORY_DAYS)
        for day in self.last_days:
            self._last_days.add(day)
        return self._index
