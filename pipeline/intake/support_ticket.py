"""Support tickets: one step in a ticket's life per event."""

from pipeline.health.events import SupportTicket
from pipeline.intake.checks import LONGEST_PERSON, Checks
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Value


def check(checks: Checks) -> None:
    """Note what is wrong with a ticket's step; its severity may be UNKNOWN."""
    checks.event()
    checks.text("ticket_id")
    checks.known("step")
    checks.optional_text("category")
    checks.optional_text("requester", LONGEST_PERSON)


def resolve(value: Value, people: Pseudonyms) -> SupportTicket:
    """
    Keep of a checked step what the log holds; two help desks may count from 1, so the source goes first.
    """
    source = value["source"]
    return SupportTicket(
        value["event_id"],
        value["occurred_at"],
        f"{source}:{value['ticket_id']}",
        value["step"],
        value["severity"],
        value["category"],
        people.person(source, value["email"], value["requester"]),
    )
