"""
What goes into the intake and what comes out of it, and the closed list of reasons for a dead letter.

``pipeline/wire/inputs.py`` makes a :class:`Received` of bytes, ``intake.py`` an :class:`Accepted` or a
:class:`Rejected` of it. Documentation, metrics and the dead letters' headers read :data:`CODES`.

A detail quotes field names, numbers and dates, never text of the record: nothing personal reaches a header, a
log line or a terminal that way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from pipeline.health.events import LogEntry

Value: TypeAlias = Mapping[str, Any]
"""
A decoded input: every field of its schema, in Python's terms.

Times are ms UTC, dates days since 1970-01-01, money is ``Decimal``, enum values are their symbols.
"""

Code: TypeAlias = Literal[
    "too_large",
    "decode",
    "unknown_schema",
    "schema_mismatch",
    "bad_key",
    "missing_field",
    "range",
    "future_timestamp",
    "unsupported_action",
    "unresolved_account",
    "ambiguous_account",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMeaning:
    """What a dead letter's code says, and what to do about it."""

    meaning: str
    hint: str


_FIX_AND_REPLAY: Final = "Correct it at the source and send it again with the same event_id."

CODES: Final[Mapping[Code, CodeMeaning]] = {
    "too_large": CodeMeaning(
        meaning="The value has more than 1,000,000 bytes.",
        hint="Send what the schema asks for; attachments and transcripts do not belong into an event.",
    ),
    "decode": CodeMeaning(
        meaning="The bytes are no Avro value in Confluent framing: empty, cut off, or something else.",
        hint="Let the producer write Avro with a 5-byte header (0, schema id), then send the event again.",
    ),
    "unknown_schema": CodeMeaning(
        meaning="The registry knows no schema with the id in the header.",
        hint="Register the producer's schema or point both sides at one registry, then `telltale dlq replay`.",
    ),
    "schema_mismatch": CodeMeaning(
        meaning="The producer's schema or a field's type does not fit the topic's schema.",
        hint="Use the topic's schema from schemas/, or a version of it that is compatible with all others.",
    ),
    "bad_key": CodeMeaning(
        meaning="An account record's key is missing, no UTF-8, too long, or not the record's account_id.",
        hint="Key customer.account records by account_id and send the record again.",
    ),
    "missing_field": CodeMeaning(
        meaning="A field is missing that this event needs, for example the score of an answered survey.",
        hint=_FIX_AND_REPLAY,
    ),
    "range": CodeMeaning(
        meaning="A field has a value that cannot be: a negative amount, an NPS answer of 11, a time in seconds.",
        hint=_FIX_AND_REPLAY,
    ),
    "future_timestamp": CodeMeaning(
        meaning="The event says it happened more than 5 minutes after it was observed.",
        hint="Check the clock and the time zone of the source: occurred_at is UTC. " + _FIX_AND_REPLAY,
    ),
    "unsupported_action": CodeMeaning(
        meaning="This release does nothing with actions of this kind: ACKNOWLEDGE, SNOOZE, RESOLVE and NOTE.",
        hint="Send OVERRIDE, or keep it for a release that supports the kind, then `telltale dlq replay`.",
    ),
    "unresolved_account": CodeMeaning(
        meaning="No account_id, and no account lists the external id or the e-mail's domain.",
        hint="Add the external id or the domain to the account's facts; then the event comes back by itself.",
    ),
    "ambiguous_account": CodeMeaning(
        meaning="More than one account claims the external id or the e-mail's domain.",
        hint="Leave the claim with one account; then the event comes back by itself. Or send it with account_id.",
    ),
}
"""Every code of ``telltale-dlq-code``. Of several faults the code that stands first here names the record."""


class Received(NamedTuple):
    """
    One input record, decoded.

    *event* is the name of its event type (``support_ticket``); *source*, *partition* and *offset* are its
    position as the log keeps it: an input's short name (``support-ticket``) and Kafka position, or
    ``file:<hash>``, 0 and the event's number. *timestamp* is the record's Kafka timestamp, ms UTC. *value* is
    ``None`` where an account is closed. (A tuple, since a frozen dataclass costs three times as much to
    make.)
    """

    event: str
    source: str
    partition: int
    offset: int
    key: bytes | None
    timestamp: int
    value: Value | None


class Accepted(NamedTuple):
    """An entry for the account log, under *account_id*."""

    account_id: str
    entry: LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A record for the dead-letter topic: *code* for machines, *detail* one sentence for people."""

    code: Code
    detail: str
    source: str
    partition: int
    offset: int
