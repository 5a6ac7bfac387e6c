"""
How systems of record tell of facts: which id they know the customer by, how late they are, when they repeat.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from pipeline.simulate.clock import DAY, HOUR, MINUTE, SECOND, time_text
from pipeline.simulate.facts import Fact
from pipeline.simulate.profile import Profile

Line = dict[str, Any]
"""One event as a history file holds it: ``type``, ``observed_at`` and the fields of the type's schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    A system of record.

    Of its events *by_external_id* and *by_address* are the shares that name the customer only by the source's
    own id or only by a person's address; the others name the account. One that *tells_address* always does,
    or else a person would be two: the intake tells people apart by it. *lag* is the usual time to tell of a
    fact, in ms, fewest and most; *late* is the share told an hour to two days after; *twice* the share told
    again.
    """

    name: str
    by_external_id: float = 0.0
    by_address: float = 0.0
    tells_address: bool = False
    lag: tuple[int, int] = (200, 3 * SECOND)
    late: float = 0.0
    twice: float = 0.004


SOURCES = {
    # Phones that were offline tell of a visit when they are back.
    "login": Source(name="app", late=0.008),
    "support_ticket": Source(
        name="zendesk",
        by_external_id=0.8,
        by_address=0.1,
        tells_address=True,
        lag=(SECOND, 20 * SECOND),
        late=0.003,
    ),
    "invoice": Source(name="stripe", by_external_id=1.0, lag=(SECOND, 10 * SECOND), twice=0.02),
    "survey": Source(
        name="delighted", by_address=0.6, tells_address=True, lag=(SECOND, 30 * SECOND), late=0.01
    ),
    "account": Source(name="crm", lag=(10 * SECOND, 5 * MINUTE)),
    "action": Source(name="telltale", lag=(100, SECOND), twice=0.0),
}
"""Systems of record by the type of the line."""


def deliver(fact: Fact, profile: Profile, rng: Random) -> Iterator[tuple[int, Line]]:
    """
    The line that tells of *fact*, with the time (ms UTC) at which it is observed; sometimes a second one.

    A repeat is the same line observed a second to six hours later.
    """
    source = SOURCES[fact.type]
    line = _line(fact, profile, source, rng)
    if fact.delay is not None:
        observed = fact.occurred_at + fact.delay
        line["observed_at"] = time_text(observed)
        yield observed, line
        return
    fewest, most = source.lag
    observed = fact.occurred_at + fewest + int((most - fewest) * rng.random())
    if rng.random() < source.late:
        observed += rng.randrange(HOUR, 2 * DAY)
    line["observed_at"] = time_text(observed)
    yield observed, line
    if rng.random() < source.twice:
        observed += rng.randrange(SECOND, 6 * HOUR)
        yield observed, {**line, "observed_at": time_text(observed)}


def _line(fact: Fact, profile: Profile, source: Source, rng: Random) -> Line:
    lot = rng.random()
    by_external_id = lot < source.by_external_id
    by_address = source.by_external_id <= lot < source.by_external_id + source.by_address
    tells_address = source.tells_address
    if fact.type == "login" and profile.signs_in_by_address:
        by_address = tells_address = True
    line: Line = {
        "type": fact.type,
        "observed_at": None,
        "event_id": fact.event_id,
        "occurred_at": time_text(fact.occurred_at),
        "source": source.name,
        "account_id": None if by_external_id or by_address else profile.account_id,
    }
    if fact.type != "account":
        line["external_id"] = profile.external_ids[source.name] if by_external_id else None
    if fact.type not in {"account", "action"}:
        line["email"] = profile.address(fact.person) if tells_address and fact.person is not None else None
    line |= fact.fields
    return line
