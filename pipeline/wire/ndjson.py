"""
Input events as lines of JSON: what ``telltale ingest`` and history files read, and exports write.

One line is one event: ``type`` (the name in ``EVENT_TYPES``) and the fields of its schema. Times are ISO 8601
with an offset, or ms; dates ISO, or days since 1970-01-01; money a number or a text; enums in any case.
Fields with a default may be missing. ``observed_at`` says when the event became known, ``occurred_at`` unless
given. ``{"type": "account", "account_id": "acme", "occurred_at": …, "closed": true}`` closes an account.

Here it is seen to that an event became known between 2000 and 2100. Whether its values can be is decided by
``pipeline/intake`` afterwards; files and their order are ``history.py``'s.
"""

import json
from decimal import Decimal
from typing import Any

import msgspec

from pipeline.intake.checks import EARLIEST, LATEST, Fault, no_time, verdict
from pipeline.intake.event_types import BY_NAME, EVENT_TYPES
from pipeline.intake.received import Received, Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.json_fields import Shape, WrongField, read_time, write_time


class EventLines:
    """Reads and writes lines by the newest schema of each event type."""

    __slots__ = ("_parse", "_shapes")

    def __init__(self, contract: Contract) -> None:
        self._shapes = {
            event_type.name: Shape(contract.newest(contract.input(event_type.source)))
            for event_type in EVENT_TYPES
        }
        # Decimals, since a float has lost the cents of a large amount before anybody looks at it.
        self._parse = msgspec.json.Decoder(float_hook=Decimal).decode

    def read(self, line: bytes, source: str = "", offset: int = 0) -> Received | Rejected:
        """
        The event in *line*, as if received from *source* at *offset*, or all that is wrong with the line.

        Its timestamp is the line's ``observed_at``; its key is the account's id where the line has one.
        """
        try:
            fields = self._parse(line)
        except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
            return _rejected([Fault("decode", "the line is no JSON in UTF-8")], source, offset)
        event = fields.pop("type", None) if isinstance(fields, dict) else None
        if not isinstance(event, str) or event not in BY_NAME:
            says = f"the line is no JSON object whose type is one of {', '.join(BY_NAME)}"
            return _rejected([Fault("schema_mismatch", says)], source, offset)
        if event == "account" and fields.pop("closed", False) is True:
            return _closing(fields, source, offset)
        faults: list[Fault] = []
        observed_at = _read_time("observed_at", fields.pop("observed_at", None), faults)
        shape = self._shapes[event]
        value = shape.value(fields)
        if value is None or faults:
            return _rejected(faults + shape.faults(fields), source, offset)
        account_id = value["account_id"]
        key = None if account_id is None else account_id.encode()
        timestamp = value["occurred_at"] if observed_at is None else observed_at
        return Received(event, source or BY_NAME[event].source, 0, offset, key, timestamp, value)

    def write(self, received: Received) -> bytes:
        """*received* as a line with its line feed, times and dates as ISO 8601, without what is default."""
        line: dict[str, Any] = {"type": received.event, "observed_at": write_time(received.timestamp)}
        if received.value is None:
            account_id = (received.key or b"").decode()
            line |= {"account_id": account_id, "occurred_at": line["observed_at"], "closed": True}
        else:
            for field in self._shapes[received.event].fields:
                item = received.value[field.name]
                if item != field.default:
                    line[field.name] = item if item is None else field.write(item)
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _closing(fields: dict[str, Any], source: str, offset: int) -> Received | Rejected:
    faults: list[Fault] = []
    observed_at = _read_time("observed_at", fields.get("observed_at"), faults)
    occurred_at = _read_time("occurred_at", fields.get("occurred_at"), faults)
    timestamp = occurred_at if observed_at is None else observed_at
    account_id = fields.get("account_id")
    if not isinstance(account_id, str):
        faults.append(Fault("missing_field", "account_id is missing, required to close an account"))
    if timestamp is None and not faults:
        faults.append(Fault("missing_field", "occurred_at is missing"))
    if faults or timestamp is None or account_id is None:
        return _rejected(faults, source, offset)
    key = account_id.encode()
    return Received("account", source or "account", 0, offset, key, timestamp, None)


def _read_time(name: str, item: Any, faults: list[Fault]) -> int | None:
    """The time in *item*, which may be missing; ``None`` too where *faults* gets one."""
    if item is None:
        return None
    try:
        at = read_time(item)
    except WrongField as wrong:
        faults.append(Fault("schema_mismatch", f"{name} {wrong}"))
        return None
    if not EARLIEST <= at < LATEST:
        faults.append(no_time(name, at))
        return None
    return at


def _rejected(faults: list[Fault], source: str, offset: int) -> Rejected:
    code, detail = verdict(faults)
    return Rejected(code=code, detail=detail, source=source, partition=0, offset=offset)
