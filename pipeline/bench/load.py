"""
The load: invented customers whose events look like a real portfolio's to everything that costs time.

Each event is what an input topic would bring, so the same customers feed the account log (through the
intake's own checks) and the input topics. The same arguments give the same events; nothing here reads a
clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Any, Final

from pipeline.health.events import LogEntry, Tick
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.event_types import BY_NAME
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received

USUAL_MIX: Final[Mapping[str, float]] = {"login": 85, "support_ticket": 8, "invoice": 4, "survey": 3}
"""Events in a hundred, by event type."""

_PARTITIONS: Final = 8
_DAY: Final = 86_400_000
_TICKET_LIFE: Final = ("OPENED", "REPLIED", "REPLIED", "SOLVED", "CLOSED")
_INVOICE_LIFE: Final = ("ISSUED", "PAID")
_SURVEY_LIFE: Final = ("SENT", "ANSWERED")
_NPS: Final = (10, 9, 9, 8, 10, 7, 9, 3, 10, 6)
_SEVERITIES: Final = ("P3", "P3", "P4", "P2", "P3", "P4", "P3", "P1")
_SEGMENTS: Final = ("SMALL", "MID", "MID", "ENTERPRISE")


class Customers:
    """
    *accounts* customers, the n-th of which has 1 / n ** *skew* of the first one's share of events; 0 is alike
    for all.

    *mix* weighs the event types. An account has 3 to 63 people, the busy ones more: so few that most logins
    are by people seen before, as where the product has been in use for months. Its tickets, invoices and
    surveys each go through their lives, one after the other.
    """

    def __init__(
        self, accounts: int, *, skew: float, mix: Mapping[str, float] = USUAL_MIX, seed: int = 1
    ) -> None:
        self._random = Random(seed)  # noqa: S311 - no secret
        self._ids = [f"account-{number:06d}" for number in range(accounts)]
        self._people = [3 + int(60 / (number + 1) ** 0.5) for number in range(accounts)]
        self._shares = list(accumulate(1 / (number + 1) ** skew for number in range(accounts)))
        self._kinds, self._kind_shares = list(mix), list(accumulate(mix.values()))
        self._steps: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._offsets: defaultdict[tuple[str, int], int] = defaultdict(int)

    def facts(self, at: int) -> Iterator[Received]:
        """What the CRM says of each account, all of it at *at* (ms UTC)."""
        for number in range(len(self._ids)):
            yield self._received("account", number, at, self._account(number, at))

    def events(self, moments: Iterable[int]) -> Iterator[Received]:
        """An event for each of *moments* (ms UTC), which becomes known at that moment."""
        numbers, draw = range(len(self._ids)), self._random.choices
        for at in moments:
            number = draw(numbers, cum_weights=self._shares)[0]
            kind = draw(self._kinds, cum_weights=self._kind_shares)[0]
            match kind:
                case "login":
                    own = self._login(number)
                case "support_ticket":
                    own = self._ticket(number)
                case "invoice":
                    own = self._invoice(number, at)
                case _:
                    own = self._survey(number)
            yield self._received(kind, number, at, {"external_id": None, "email": None, **own})

    def _received(self, kind: str, number: int, at: int, own: dict[str, Any]) -> Received:
        source = BY_NAME[kind].source
        partition = number % _PARTITIONS
        offset = self._offsets[source, partition]
        self._offsets[source, partition] = offset + 1
        account_id = self._ids[number]
        value = {
            "event_id": f"{kind}-{partition}-{offset}",
            "occurred_at": at,
            "source": "bench",
            "account_id": account_id,
            **own,
        }
        return Received(kind, source, partition, offset, account_id.encode(), at, value)

    def _login(self, number: int) -> dict[str, Any]:
        person = int(self._random.random() * self._people[number])
        role = ("CHAMPION", "EXECUTIVE", "ADMIN")[person] if person < 3 else "USER"
        return {"user_id": f"user-{person}", "channel": "WEB", "feature": None, "role": role}

    def _ticket(self, number: int) -> dict[str, Any]:
        life, step = divmod(self._next_step("ticket", number), len(_TICKET_LIFE))
        return {
            "ticket_id": f"{number}-{life}",
            "step": _TICKET_LIFE[step],
            "severity": _SEVERITIES[life % len(_SEVERITIES)],
            "category": "how-to",
            "requester": f"user-{life % self._people[number]}",
        }

    def _invoice(self, number: int, at: int) -> dict[str, Any]:
        life, step = divmod(self._next_step("invoice", number), len(_INVOICE_LIFE))
        today = at // _DAY
        return {
            "invoice_id": f"{number}-{life}",
            "step": _INVOICE_LIFE[step],
            "amount": Decimal(990),
            "currency": "EUR",
            "due_date": today + 14,
            "recurring_amount": Decimal(990),
            "period_start": today,
            "period_end": today + 29,
        }

    def _survey(self, number: int) -> dict[str, Any]:
        life, step = divmod(self._next_step("survey", number), len(_SURVEY_LIFE))
        answered = _SURVEY_LIFE[step] == "ANSWERED"
        return {
            "survey_id": f"{number}-{life}",
            "step": _SURVEY_LIFE[step],
            "kind": "NPS",
            "score": _NPS[(number + life) % len(_NPS)] if answered else None,
            "scale_min": 0,
            "scale_max": 10,
            "higher_is_better": True,
            "respondent": f"user-{life % self._people[number]}",
            "respondent_role": "USER",
            "comment": None,
        }

    def _account(self, number: int, at: int) -> dict[str, Any]:
        return {
            "name": f"Customer {number}",
            "domains": [],
            "external_ids": {},
            "segment": _SEGMENTS[number % len(_SEGMENTS)],
            "lifecycle_stage": "LIVE",
            "seats": self._people[number],
            "cmrr": Decimal(990),
            "currency": "EUR",
            "renewal_date": at // _DAY + number % 365,
            "notice_given_on": None,
            "leaves_on": None,
            "owner": f"Owner {number % 40}",
            "region": "EMEA",
            "industry": None,
            "time_zone": None,
            "start_date": at // _DAY - 400 - number % 1000,
        }

    def _next_step(self, of: str, number: int) -> int:
        step = self._steps[of, number]
        self._steps[of, number] = step + 1
        return step


def log_entries(events: Iterable[Received], *, tick_ms: int) -> Iterator[tuple[str, LogEntry]]:
    """
    The account log of *events*, judged and resolved by the intake: account id and entry, and a tick every
    *tick_ms*.

    A tick has no account and belongs into every partition.
    """
    intake = Intake(directory=AccountDirectory(), pseudonyms=Pseudonyms(b"the key of the benchmark"))
    ticked = 0
    for event in events:
        if event.timestamp >= ticked + tick_ms:
            ticked = event.timestamp // tick_ms * tick_ms
            yield "", LogEntry(ticked, "", 0, 0, Tick())
        accepted = intake.process(event, event.timestamp)
        assert isinstance(accepted, Accepted), accepted
        yield accepted
