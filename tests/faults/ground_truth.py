"""
The ground truth: every record that was sent, what it said, and what the broker answered.

It is the only truth the oracle has. A send is *ok* when its delivery was acknowledged, *fail* when it
certainly never left, *unknown* when the answer was lost; ``settle`` decides the unknown by looking whether
they are in their topic.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Verdict = Literal["ok", "fail", "unknown"]

NUMBER_HEADER: Final = "ground-truth-number"
"""Header of every record sent: the number of its send, in decimal digits."""


@dataclass(slots=True, kw_only=True)
class Send:
    """
    One record handed to the producer.

    *kind* is ``login``, ``ticket``, ``invoice``, ``survey``, ``account`` or ``junk``; *topic* has no prefix.
    *account_id* is where the event belongs, even if the record itself names only a domain. *value* is the
    record as sent, None for junk. *code* is the dead letter's code that is expected, None where the event is
    to be applied. Times are ms UTC.
    """

    number: int
    kind: str
    topic: str
    account_id: str
    event_id: str
    occurred_at: int
    key: bytes | None
    value: Mapping[str, Any] | None
    payload: bytes | None
    code: str | None
    verdict: Verdict = "unknown"
    partition: int = -1
    offset: int = -1


@dataclass(slots=True)
class GroundTruth:
    """All sends in the order they were handed over."""

    sends: list[Send] = field(default_factory=list)

    def note(self, **fields: Any) -> Send:
        """Enter a send whose outcome is not known yet."""
        send = Send(number=len(self.sends), **fields)
        self.sends.append(send)
        return send

    def accept(self, kind: str, account_id: str, value: Mapping[str, Any]) -> None:
        """Enter an event as accepted, where no broker has a part in the test."""
        self.note(
            kind=kind,
            topic="",
            account_id=account_id,
            event_id=value["event_id"],
            occurred_at=value["occurred_at"],
            key=None,
            value=value,
            payload=None,
            code=None,
        ).verdict = "ok"

    def settle(self, present: AbstractSet[int]) -> list[str]:
        """
        Decide the unknown sends by the numbers that are *present* in the input topics.

        Returns a line for each acknowledged send that is not there: the broker has lost it, and nothing can
        be proved.
        """
        lost = []
        for send in self.sends:
            if send.verdict == "unknown":
                send.verdict = "ok" if send.number in present else "fail"
            elif send.verdict == "ok" and send.number not in present:
                lost.append(f"send {send.number} was acknowledged and is not in {send.topic}")
        return lost

    def accepted(self) -> Iterator[Send]:
        """
        The first send of each event that must be applied, by kind, account and event id, in order of sending.
        """
        seen = set()
        for send in self.sends:
            identity = (send.kind, send.account_id, send.event_id)
            if send.verdict == "ok" and send.code is None and identity not in seen:
                seen.add(identity)
                yield send

    def expected_dead_letters(self) -> list[Send]:
        """Sends that must be in a dead-letter topic."""
        return [send for send in self.sends if send.verdict == "ok" and send.code is not None]

    def verdicts(self) -> Counter[str]:
        """How many sends were ok, failed, and are unknown."""
        return Counter(send.verdict for send in self.sends)

    def __len__(self) -> int:
        return len(self.sends)
