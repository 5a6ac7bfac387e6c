"""
Which dead letters wait for which claim: bookkeeping in memory, without Kafka.

``dead_letter_returns`` fills it from the dead-letter topics and asks it when accounts change. It holds places
and claims, never a record: what a claim is (an external id, an e-mail's domain) is
``pipeline.intake.directory``'s.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.intake.directory import Claim


class Place(NamedTuple):
    """Where a dead letter stands in its dead-letter topic."""

    topic: str
    partition: int
    offset: int


class PendingDeadLetters:
    """
    At most *most* dead letters with their claims, found by claim. One more takes the place of the one that
    was added first.

    The newest are kept, since an account is most often made known shortly after its first events.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._claims: dict[Place, tuple[Claim, ...]] = {}
        # A dictionary without values, since it keeps the order in which the dead letters came.
        self._places: dict[Claim, dict[Place, None]] = {}
        self.forgotten = 0
        """Dead letters that had to make room."""

    def __len__(self) -> int:
        """How many dead letters wait."""
        return len(self._claims)

    def add(self, place: Place, claims: tuple[Claim, ...]) -> None:
        """
        Let the dead letter at *place* wait for any of *claims*; one without any is not kept, for nothing can
        place it.
        """
        if not claims or place in self._claims:
            return
        if len(self._claims) >= self._most:
            self.remove(next(iter(self._claims)))
            self.forgotten += 1
        self._claims[place] = claims
        for claim in claims:
            self._places.setdefault(claim, {})[place] = None

    def remove(self, place: Place) -> None:
        """Let the dead letter at *place* wait no longer, if it did."""
        for claim in self._claims.pop(place, ()):
            places = self._places[claim]
            del places[place]
            if not places:
                del self._places[claim]

    def waiting_for(self, claims: Iterable[Claim]) -> dict[Place, tuple[Claim, ...]]:
        """
        The dead letters that wait for any of *claims*, each with all of its own, in the order in which they
        came.
        """
        return {place: self._claims[place] for claim in claims for place in self._places.get(claim, ())}
