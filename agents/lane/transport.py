"""
The lane as a Faust transport driver: its consumer, and an idempotent producer that obeys the lease.

What an app needs to know of the lane at run time hangs here: options, the lease, and the state's say in
seeks.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from yarl import URL

from agents.lane.alignment import TimeAlignment
from agents.lane.consumer import LaneConsumer
from agents.lane.fences import Lease
from agents.lane.stages import StageClock

StateOffsets = Callable[[Mapping[TP, int | None]], Awaitable[Mapping[TP, int]]]
"""
Asked at every seek: what the group has committed, to the offsets the state asks for where there is a state.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOptions:
    """How the lane polls."""

    pause_seconds: float = 0.015
    """
    Least time between two polls. At 3,000 events/s without it, polls of one or two records take a third more
    CPU.
    """
    max_records_in_flight: int = 50_000
    """Delivered and not acknowledged; no poll starts above it."""
    fetch_wait_ms: int = 100
    """Longest a broker holds back an empty fetch."""
    drain_seconds: float = 5.0
    """Longest a revoke waits for what is in flight. Less than a session, which runs on meanwhile."""


class LaneProducer(driver.Producer):
    """Faust's producer, idempotent, and silent once the lease has run out."""

    logger = logging.getLogger("faust.lane")  # what Faust says of its own doings
    transport: "LaneTransport"

    def _settings_default(self) -> Mapping[str, Any]:
        # Without it a retried batch could be appended twice; Faust turns it on for transactions only.
        return {**super()._settings_default(), "enable_idempotence": True, "acks": "all"}

    async def on_start(self) -> None:
        """Start the producer behind the lease."""
        await super().on_start()
        client = self._ensure_producer().client
        client.send = self.transport.lease.demanded_by(client.send)


class LaneTransport(driver.Transport):
    """Makes lane consumers and producers for one app."""

    Consumer = LaneConsumer
    Producer = LaneProducer

    def __init__(self, url: list[URL], app: AppT, *, lease: Lease, options: LaneOptions) -> None:
        super().__init__(url, app)
        self.lease = lease
        self.options = options
        self.stages = StageClock()
        """What the worker's time is booked by."""
        self.state_offsets: StateOffsets | None = None
        """Where the state wants to be read on, asked at every seek. Set before the app starts."""
        self.alignment: TimeAlignment | None = None
        """What keeps the partitions aligned in time, if anything should. Set before the app starts."""
        self.commit_metadata = ""
        """What brokers keep beside each committed offset, for others to read. Set before the app starts."""
