"""
The event types, one row each: what decode, ``ingest``, history files and the simulator read.

A new event type is a row here and its module beside this one; its schema and the log's next in ``schemas``; a
dataclass in ``health/events.py``; an arm in ``health/account.py``; its record in ``wire/log.py``
(docs/scoring.md, "Adding to it").
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.health.events import Event
from pipeline.intake import account, action, invoice, login, support_ticket, survey
from pipeline.intake.checks import Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """
    One kind of input event.

    *name* is its ``type`` in NDJSON; *source* its short name in log entries, metrics and ``topics.yaml``;
    *topic* its topic without prefix; *schema* its folder in ``schemas/``. *check* notes what is wrong with a
    value, *resolve* makes the log's event of a value without faults.
    """

    name: str
    source: str
    topic: str
    schema: str
    check: Callable[[Checks], None]
    resolve: Callable[[Value, Pseudonyms], Event]


EVENT_TYPES: Final = (
    EventType(
        name="login",
        source="login",
        topic="customer.login.v1",
        schema="login",
        check=login.check,
        resolve=login.resolve,
    ),
    EventType(
        name="support_ticket",
        source="support-ticket",
        topic="customer.support-ticket.v1",
        schema="support_ticket",
        check=support_ticket.check,
        resolve=support_ticket.resolve,
    ),
    EventType(
        name="invoice",
        source="invoice",
        topic="customer.invoice.v1",
        schema="invoice",
        check=invoice.check,
        resolve=invoice.resolve,
    ),
    EventType(
        name="survey",
        source="survey",
        topic="customer.survey.v1",
        schema="survey_response",
        check=survey.check,
        resolve=survey.resolve,
    ),
    EventType(
        name="account",
        source="account",
        topic="customer.account.v1",
        schema="account",
        check=account.check,
        resolve=account.resolve,
    ),
    EventType(
        name="action",
        source="action",
        topic="health.action.v1",
        schema="action",
        check=action.check,
        resolve=action.resolve,
    ),
)

BY_NAME: Final = {event_type.name: event_type for event_type in EVENT_TYPES}
BY_SOURCE: Final = {event_type.source: event_type for event_type in EVENT_TYPES}
