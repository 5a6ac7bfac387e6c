"""
The checks that event types share; each event type's own module says which fields they apply to.

A check looks at a decoded value and notes what is wrong; it never stops at the first fault, so that a dead
letter names them all. Nothing here knows where accounts come from (``directory.py``).
"""

import re
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from pipeline.intake.received import CODES, Code, Value

LONGEST_ID: Final = 200
LONGEST_PERSON: Final = 320
"""An e-mail address has at most 320 characters, and many sources name people by theirs."""
LONGEST_LABEL: Final = 200

FUTURE_TOLERANCE: Final = 5 * 60_000
"""How far, in ms, an event's time may be ahead of its observation: clocks differ."""

EARLIEST: Final = 946_684_800_000  # 2000-01-01: anything before it is a time in seconds, or a default
LATEST: Final = 4_102_444_800_000  # 2100-01-01: anything after it is a time in µs, or garbage
_LATEST_DAY: Final = 47_482  # 2100-01-01
_CURRENCY: Final = re.compile("[A-Z]{3}")
# Control characters would corrupt keys, logs and messages; a lone surrogate cannot be written as UTF-8 at
# all.
_UNWRITABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_RANK: Final = {code: rank for rank, code in enumerate(CODES)}


class Fault(NamedTuple):
    """One thing wrong with a record; *says* is a clause without the record's own text."""

    code: Code
    says: str


def verdict(faults: Sequence[Fault]) -> tuple[Code, str]:
    """The code that names a record with these *faults*, at least one, and all of them as one sentence."""
    code = min((fault.code for fault in faults), key=_RANK.__getitem__)
    return code, "; ".join(fault.says for fault in faults)


def no_time(name: str, at: int) -> Fault:
    """The fault of a time *at* that is not in [``EARLIEST``, ``LATEST``), ms UTC."""
    return Fault("range", f"{name} is {at}, which is no time in ms between 2000 and 2100")


def is_writable(text: str, longest: int) -> bool:
    """Whether *text* has 1 to *longest* characters and none that keys and messages cannot carry."""
    return 0 < len(text) <= longest and (text.isprintable() or _UNWRITABLE.search(text) is None)


class Checks:
    """The faults of one *value*, as of *observed_at* (ms UTC)."""

    __slots__ = ("faults", "observed_at", "value")

    def __init__(self, value: Value, observed_at: int) -> None:
        self.value = value
        self.observed_at = observed_at
        self.faults: list[Fault] = []

    def note(self, code: Code, says: str) -> None:
        """Note a fault that the event type found by itself."""
        self.faults.append(Fault(code, says))

    def text(self, name: str, longest: int = LONGEST_ID) -> None:
        """A text that must be there, of 1 to *longest* characters."""
        text = self.value[name]
        if (
            0 < len(text) <= longest and text.isprintable()
        ):  # the common case first: logins come by the million
            return
        if not text:
            self.note("range", f"{name} is empty")
        elif len(text) > longest:
            self.note("range", f"{name} has {len(text)} characters, more than {longest}")
        elif not is_writable(text, longest):
            self.note("range", f"{name} has control characters or broken Unicode")

    def optional_text(self, name: str, longest: int = LONGEST_LABEL) -> None:
        """A text that may be null."""
        if self.value[name] is not None:
            self.text(name, longest)

    def known(self, *names: str) -> None:
        """Enums without which the event says nothing."""
        for name in names:
            if self.value[name] == "UNKNOWN":
                self.note("range", f"{name} is UNKNOWN")

    def moment(self, name: str) -> None:
        """A time that has passed: ms UTC, from 2000 on, at most 5 minutes ahead of the observation."""
        at = self.value[name]
        if not EARLIEST <= at < LATEST:
            self.faults.append(no_time(name, at))
        elif at > self.observed_at + FUTURE_TOLERANCE:
            ahead = (at - self.observed_at) / 60_000
            self.note("future_timestamp", f"{name} is {ahead:.1f} minutes ahead of the observation")

    def day(self, name: str) -> None:
        """A date that may be null, 1970 to 2099."""
        day = self.value[name]
        if day is not None and not 0 <= day < _LATEST_DAY:
            self.note("range", f"{name} is day {day}, which is not between 1970 and 2100")

    def number(self, name: str, least: int, most: int) -> None:
        """An integer that may be null."""
        number = self.value[name]
        if number is not None and not least <= number <= most:
            self.note("range", f"{name} is {number}, not between {least} and {most}")

    def money(self, name: str) -> None:
        """An amount that may be null, but neither negative nor without end."""
        amount: Decimal | None = self.value[name]
        if amount is None:
            return
        if not amount.is_finite():
            self.note("range", f"{name} is no number")
        elif amount < 0:
            self.note("range", f"{name} is negative: {amount}")

    def currency(self, name: str) -> None:
        """A currency that may be null."""
        code = self.value[name]
        if code is not None and _CURRENCY.fullmatch(code) is None:
            self.note("range", f"{name} is no ISO 4217 code of three capital letters")

    def required(self, names: Collection[str], why: str) -> None:
        """Nullable fields that must be there because of another one, which *why* names."""
        for name in names:
            if self.value[name] is None:
                self.note("missing_field", f"{name} is missing, required {why}")

    def event(self) -> None:
        """The fields every event but an account's facts has."""
        self.text("event_id")
        self.moment("occurred_at")
        self.text("source", LONGEST_LABEL)
        self.optional_text("account_id")
        self.optional_text("external_id")
