"""
The intake's one decision, shared by live intake, history load and replay: log entry or dead letter.

    directory = AccountDirectory()               # filled through Intake.follow, see below
    intake = Intake(directory=directory, pseudonyms=Pseudonyms(key))
    decision = intake.process(received, now)     # Accepted(account_id, entry) | Rejected(code, detail, …)

*now* is the caller's clock in ms UTC; a file, which has none, passes the record's own timestamp. ``process``
only reads the directory; whoever follows customer.account feeds it with ``follow``. What cannot be resolved
may be tried again after the directory has been read to its present end. Reading records and writing entries
belong to the callers.
"""

from pipeline.health.events import Event, LogEntry
from pipeline.intake import account
from pipeline.intake.checks import Checks, verdict
from pipeline.intake.directory import AccountDirectory, Claim
from pipeline.intake.event_types import BY_NAME
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Code, Received, Rejected

_BAD_KEY = "the key is missing, no UTF-8, has control characters, or more than 200 of them"


class Intake:
    """Checks, resolves and pseudonymises one record at a time."""

    __slots__ = ("_directory", "_pseudonyms")

    def __init__(self, *, directory: AccountDirectory, pseudonyms: Pseudonyms) -> None:
        self._directory = directory
        self._pseudonyms = pseudonyms

    def process(self, received: Received, now: int) -> Accepted | Rejected:
        """
        Decide about one record; it was observed at its Kafka timestamp, but never after *now*.

        The entry's ids of tickets, invoices and surveys open with the event's source, people are eight bytes,
        comments are gone. Every fault of the record stands in the detail; it never raises for what a record
        says.
        """
        account_id = self.account_of(received, now)
        if not isinstance(account_id, str):
            return account_id
        value, observed_at = received.value, _observed_at(received, now)
        if value is None:
            body: Event = account.closed(received, observed_at)
        else:
            body = BY_NAME[received.event].resolve(value, self._pseudonyms)
        return Accepted(
            account_id, LogEntry(observed_at, received.source, received.partition, received.offset, body)
        )

    def account_of(self, received: Received, now: int) -> str | Rejected:
        """
        The account whose log a record belongs to, or why it belongs to none: all of ``process`` but the
        entry.
        """
        value = received.value
        if value is None:
            return account.account_of_key(received.key) or _rejected(received, "bad_key", _BAD_KEY)
        checks = Checks(value, _observed_at(received, now))
        BY_NAME[received.event].check(checks)
        account_id: str | None = value["account_id"]
        if received.event == "account" and received.key != _utf8(value["account_id"]):
            checks.note("bad_key", "the key is not the record's account_id")
        if checks.faults:
            return _rejected(received, *verdict(checks.faults))
        if account_id is not None:
            return account_id
        found = self._directory.resolve(value["source"], value["external_id"], value.get("email"))
        return found if isinstance(found, str) else _rejected(received, *found)

    def follow(self, received: Received, now: int) -> frozenset[Claim]:
        """
        Bring the directory up to an account record; one that ``process`` rejects at *now* claims nothing.

        Returns the claims by which events may be placed in another way from now on.
        """
        account_id = self.account_of(received, now)
        return (
            self._directory.apply(account_id, received.value) if isinstance(account_id, str) else frozenset()
        )


def _observed_at(received: Received, now: int) -> int:
    """When *received* was observed, ms UTC: at its Kafka timestamp, but never later than our clock."""
    return min(received.timestamp, now)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _rejected(received: Received, code: Code, detail: str) -> Rejected:
    return Rejected(
        code=code,
        detail=detail,
        source=received.source,
        partition=received.partition,
        offset=received.offset,
    )
