"""
Not faster than the embedded broker's readers: it keeps the newest 5 MB of each partition and forgets the rest
unread.

A real broker keeps what its readers have not seen, so nothing waits there.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pipeline.kafka.client import Configuration, is_embedded
from pipeline.kafka.records import Appender, group_lag
from pipeline.ops.topic_plan import HEALTH_GROUP, INTAKE_GROUP
from pipeline.wire.contract import Contract
from sinks.postgres.group import GROUP as SINK_GROUP

UNREAD_BYTES: Final = 3_000_000
"""Most that may be unread in one partition of a topic we write."""

UNREAD_RECORDS: Final = 2_000
"""Most that may be unread in one partition of a topic made from it, by a group that reads it at all."""

_CHECKED_BYTES: Final = 512_000
_PATIENCE_SECONDS: Final = 5.0
_FRAMING: Final = 70  # What a record takes around key and value, rounded up.


class Pace:
    """
    Bounds what is unread: in the topics of *readers*, by the group it names; in those of *followers*, by each
    group.

    A follower that never committed is not there, and nobody waits for it. *say* gets a line while something
    is waited for.
    """

    def __init__(
        self,
        client: Configuration,
        *,
        readers: Mapping[str, str],
        followers: Mapping[str, Sequence[str]],
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._readers = readers
        self._followers = followers
        self._say = say
        self._total: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._delivered: defaultdict[tuple[str, int], deque[tuple[int, int]]] = defaultdict(deque)
        self._committed: dict[tuple[str, int], int] = {}
        self._unchecked = 0

    def delivered(self, topic: str, partition: int, offset: int, size: int) -> None:
        """Note that a record was acknowledged."""
        place = (topic, partition)
        self._total[place] += size + _FRAMING
        self._delivered[place].append((offset, self._total[place]))

    def wait(self, appender: Appender, size: int) -> None:
        """
        Wait until the readers are near enough, after *size* bytes were handed to *appender*; looks once in
        512 kB.
        """
        self._unchecked += size + _FRAMING
        if self._unchecked < _CHECKED_BYTES:
            return
        self._unchecked = 0
        appender.flush()
        said = time.monotonic() + _PATIENCE_SECONDS
        while behind := self._behind():
            if time.monotonic() > said:
                said = time.monotonic() + _PATIENCE_SECONDS
                self._say(f"waiting for {behind}; does it run?")
            time.sleep(0.1)

    def _behind(self) -> str | None:
        """The first group that is too far behind, with its topic."""
        for topic, group in self._readers.items():
            # Asked only when what was last known does not do: an answer takes 60 ms.
            if self._too_much_unread(topic):
                lags = group_lag(self._client, group, [topic])
                self._committed |= {(topic, lag.partition): lag.committed or 0 for lag in lags}
                if self._too_much_unread(topic):
                    return f"{group} to read {topic}"
        for group, topics in self._followers.items():
            lags = group_lag(self._client, group, topics)
            if any(lag.committed is not None and lag.records > UNREAD_RECORDS for lag in lags):
                return f"{group} to read {', '.join(topics)}"
        return None

    def _too_much_unread(self, topic: str) -> bool:
        return any(self._unread(place) > UNREAD_BYTES for place in self._total if place[0] == topic)

    def _unread(self, place: tuple[str, int]) -> int:
        committed, delivered, total = (
            self._committed.get(place, 0),
            self._delivered[place],
            self._total[place],
        )
        while len(delivered) > 1 and delivered[1][0] < committed:
            delivered.popleft()
        return total - delivered[0][1] if delivered[0][0] < committed else total


def pace_for(
    client: Configuration, contract: Contract, written: Sequence[str], say: Callable[[str], None]
) -> Pace | None:
    """How to write the topics *written*, inputs or the log: None on a broker that keeps what is unread."""
    if not is_embedded(client):
        return None
    intake, health, sink = (contract.prefix + group for group in (INTAKE_GROUP, HEALTH_GROUP, SINK_GROUP))
    outputs = [topic.name for topic in contract.outputs]
    followers = {sink: outputs}
    if contract.log.name not in written:
        followers[health] = [contract.log.name]
    readers = {topic: health if topic == contract.log.name else intake for topic in written}
    return Pace(client, readers=readers, followers=followers, say=say)
