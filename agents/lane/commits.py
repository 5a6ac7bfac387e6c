"""
What may be committed: offsets behind records that are done, and no others.

Acknowledgements come from the agent's writer. Which records are polled and delivered when is decided in
``consumer``.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.transports import TPorTopicSet
from mode.utils.futures import notify

from agents.lane.delivery import Deliveries, RecordBatch
from agents.lane.thread import LaneConsumerThread

if TYPE_CHECKING:
    from agents.lane.transport import LaneTransport

_POSITIONS_EVERY_SECONDS = 0.5


class CommittingConsumer(driver.Consumer):
    """
    Faust's consumer with commits that cover whole batches which are done, and what holds no record at all.
    """

    logger = logging.getLogger("faust.lane")  # what Faust says of its own doings
    transport: "LaneTransport"
    _thread: LaneConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deliveries = Deliveries()
        # An acknowledgement or a resume: a poll that could not start may try again.
        self._changed = asyncio.Event()
        self._positions: Mapping[TP, int] = {}
        self._positions_at = 0.0

    def ack(self, message: Message) -> bool:
        """Mark the batch of *message* as done; True the first time."""
        if not isinstance(message.value, RecordBatch):
            return super().ack(message)
        if message.value.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        self.deliveries.acknowledge(message.value)
        self._changed.set()
        notify(self._waiting_for_ack)
        return True

    async def _note_positions(self) -> None:
        """
        Read how far aiokafka has come on partitions with nothing in flight; there, that is what may be
        committed.

        The last record says less: transaction markers, compacted tails and emptied partitions have none. It
        is read before a poll, when all that earlier polls brought has been booked.
        """
        now = monotonic()
        if now < self._positions_at + _POSITIONS_EVERY_SECONDS:
            return
        self._positions_at = now
        idle = [tp for tp in self.assignment() if self._is_idle(tp) and not self._is_changelog_tp(tp)]
        self._positions = await self._thread.call_thread(self._thread.positions, idle)

    def _is_idle(self, tp: TP) -> bool:
        alignment = self.transport.alignment
        return self.deliveries.is_idle(tp) and (alignment is None or not alignment.is_waiting(tp))

    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        pending = self.deliveries.partitions() | set(self._positions)
        return (tp for tp in pending if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        # A position was noted when all before it was done. 0 says no more than the absence of a commit.
        return self.deliveries.take_committable(tp) or self._positions.get(tp) or None

    async def lags(self) -> dict[TP, int]:
        """
        Records the group has not committed, of each partition we own and have fetched from; changelogs apart.
        """
        owned = [tp for tp in self.assignment() if not self._is_changelog_tp(tp)]
        ends = await self._thread.call_thread(self._thread.ends, owned)
        return {tp: max(0, end - (self._committed_offset.get(tp) or 0)) for tp, end in ends.items()}

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: a batch covers the gaps between its records."""
