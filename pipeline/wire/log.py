"""
Entries of the account log ⇄ bytes.

    log = LogCodec(contract, registry)
    value = log.encode(entry)          # bytes for contract.log.name, under the account's id as key
    log.is_tick(value)                 # without decoding
    # LogEntry; Undecodable if it is none: then something else wrote to the log
    log.decode(value)

The body is a union of records; the table below says which record holds which event, field by field of the
same name. Money is text here. Events are read by ``log_reading.py``, the rest by fastavro.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from pipeline.health.events import (
    AccountClosed,
    AccountFacts,
    Action,
    Invoice,
    LogEntry,
    Login,
    Scorecards,
    SupportTicket,
    SurveyResponse,
    Tick,
)
from pipeline.wire.avro import FRAME_BYTES, Decoder
from pipeline.wire.avro_values import ValueEncoder
from pipeline.wire.contract import Contract
from pipeline.wire.log_reading import NOT_READ, EntryReader
from pipeline.wire.registry import Registry

RECORDS: Final[dict[type[Any], str]] = {
    Tick: "telltale.log.v1.Tick",
    Login: "telltale.log.v1.ResolvedLogin",
    SupportTicket: "telltale.log.v1.ResolvedTicket",
    Invoice: "telltale.log.v1.ResolvedInvoice",
    SurveyResponse: "telltale.log.v1.ResolvedSurvey",
    AccountFacts: "telltale.log.v1.ResolvedAccount",
    AccountClosed: "telltale.log.v1.AccountClosed",
    Action: "telltale.log.v1.ResolvedAction",
    Scorecards: "telltale.log.v1.Scorecards",
}
"""The record of the log entry's schema that holds each body."""

_BODIES: Final = {record: body for body, record in RECORDS.items()}
_MONEY: Final[dict[type[Any], tuple[str, ...]]] = {
    Invoice: ("amount", "recurring_amount"),
    AccountFacts: ("cmrr",),
}


def _money_text(name: str) -> Callable[[Any], str | None]:
    def text_of(body: Any) -> str | None:
        amount = getattr(body, name)
        return None if amount is None else str(amount)

    return text_of


_GETTERS: Final = {
    RECORDS[body]: {name: _money_text(name) for name in names} for body, names in _MONEY.items()
}

_LONGEST_TICK: Final = (
    FRAME_BYTES + 14
)  # a time of at most ten bytes, an empty text, two zeros, the body's place


class LogCodec:
    """
    Writes entries with the newest schema of the log, reads them whatever version they were written with.
    """

    __slots__ = ("_decoder", "_encoder", "_frame", "_read")

    def __init__(self, contract: Contract, registry: Registry) -> None:
        self._encoder = ValueEncoder(contract.log, contract, registry, getters=_GETTERS, records=RECORDS)
        self._decoder = Decoder(contract.log, contract, registry, name_unions=True)
        self._frame = self._encoder.frame
        self._read = EntryReader(contract.newest(contract.log), RECORDS, _MONEY).read

    def encode(self, entry: LogEntry) -> bytes:
        """*entry* as bytes; ``Unencodable`` if its schema cannot hold it."""
        return self._encoder.encode(entry)

    def decode(self, value: bytes) -> LogEntry:
        """The entry in *value*; ``Undecodable`` if there is none."""
        if value.startswith(self._frame):
            try:
                return self._read(value)
            except NOT_READ:
                pass
        entry = self._decoder.decode(value)
        record, fields = entry["body"]
        body = _BODIES[record]
        for name in _MONEY.get(body, ()):
            amount = fields[name]
            fields[name] = None if amount is None else Decimal(amount)
        return LogEntry(
            entry["observed_at"], entry["source"], entry["partition"], entry["offset"], body(**fields)
        )

    def is_tick(self, value: bytes) -> bool:
        """Whether *value* is a tick; only what is as short as one is decoded."""
        return len(value) <= _LONGEST_TICK and isinstance(self.decode(value).body, Tick)
