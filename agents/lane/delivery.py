"""
Batches on their way through Faust: what they travel as, which are acknowledged, how far a partition may be
committed.

Bookkeeping only, without Kafka or an event loop; ``consumer`` drives it from the main loop's thread alone.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import faust
from faust.types import TP, AppT, ConsumerMessage, Message


@dataclass(slots=True, eq=False, kw_only=True)
class RecordBatch:
    """
    What one poll brought of one partition: aiokafka ``ConsumerRecord`` objects in offset order, at least one.

    *previous* is the last offset delivered before this batch, None right after a seek. A batch is equal to
    itself only: after a seek the same records come again as another batch.
    """

    tp: TP
    records: list[Any]
    previous: int | None = None
    acked: bool = False

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return int(self.records[-1].offset)

    def as_message(self, generation: int) -> ConsumerMessage:
        """
        The one Faust message it travels as, in *generation* of the group; its offset is that of the last
        record.
        """
        last = self.records[-1]
        return ConsumerMessage(
            topic=self.tp.topic,
            partition=self.tp.partition,
            offset=last.offset,
            timestamp=last.timestamp / 1000.0,
            timestamp_type=last.timestamp_type,
            headers=None,
            key=None,
            value=cast("bytes", self),  # Faust hands it on unseen
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=self.tp,
            generation_id=generation,
        )


class PollScheduler:
    """
    Hands over records in the pieces in which a poll made them, where Faust's own interleaves single records.
    """

    def iterate(self, records: Iterable[tuple[TP, Any]]) -> Iterator[tuple[TP, Any]]:
        """Pairs of a partition and a list of its records."""
        return iter(records)


class LaneSchema(faust.Schema[Any, Any]):
    """For ``app.topic(..., schema=LaneSchema())``: no key, and the value is the batch itself."""

    def loads_key(self, app: AppT, message: Message, **options: Any) -> None:
        """Nothing: keys are in the records."""

    def loads_value(self, app: AppT, message: Message, **options: Any) -> Any:  # noqa: ARG002 - as declared by Faust
        """The RecordBatch."""
        return message.value


class Deliveries:
    """Delivered batches per partition, in order, until they are committable."""

    def __init__(self) -> None:
        self._in_flight: dict[TP, deque[RecordBatch]] = {}
        self._delivered: dict[TP, int] = {}
        self._accepted: dict[TP, int] = {}
        self._waiting: set[RecordBatch] = set()
        self.records_waiting = 0
        """Records delivered and not yet acknowledged, over all partitions."""

    def deliver(self, batch: RecordBatch) -> None:
        """Note *batch* as handed over to Faust, and tell it which offset was delivered before it."""
        batch.previous = self._delivered.get(batch.tp)
        self._delivered[batch.tp] = batch.last_offset
        self._in_flight.setdefault(batch.tp, deque()).append(batch)
        self._waiting.add(batch)
        self.records_waiting += len(batch.records)

    def accept(self, batch: RecordBatch) -> int | None:
        """
        Note *batch* as arrived at the agent.

        Returns the offset the agent has seen instead of ``batch.previous`` when a batch in between was lost
        on its way, -1 if it has seen none; None if all is well.
        """
        seen = self._accepted.get(batch.tp, -1)
        if batch.previous is not None and batch.previous != seen:
            return seen
        self._accepted[batch.tp] = batch.last_offset
        return None

    def acknowledge(self, batch: RecordBatch) -> None:
        """Mark *batch* as done; one that was forgotten meanwhile (a seek, a revoke) commits nothing."""
        batch.acked = True
        if batch in self._waiting:
            self._waiting.remove(batch)
            self.records_waiting -= len(batch.records)

    def take_committable(self, tp: TP) -> int | None:
        """
        Forget the acknowledged head of *tp* and return the offset behind it; None if the head is not done.
        """
        in_flight = self._in_flight.get(tp)
        done = None
        while in_flight and in_flight[0].acked:
            done = in_flight.popleft().last_offset + 1
        return done

    def is_idle(self, tp: TP) -> bool:
        """Whether nothing of *tp* is in flight or waits to be committed."""
        return not self._in_flight.get(tp)

    def partitions(self) -> set[TP]:
        """Partitions with something in flight or to be committed."""
        return {tp for tp, in_flight in self._in_flight.items() if in_flight}

    def forget(self, tps: Iterable[TP]) -> None:
        """Drop all that is known of *tps*: they were revoked, or are read again from another offset."""
        for tp in tps:
            for batch in self._in_flight.pop(tp, ()):
                if batch in self._waiting:
                    self._waiting.remove(batch)
                    self.records_waiting -= len(batch.records)
            self._delivered.pop(tp, None)
            self._accepted.pop(tp, None)

    def forget_all(self) -> None:
        """Drop everything: all partitions are about to be read from another offset."""
        self.forget({*self._in_flight, *self._delivered, *self._accepted})
