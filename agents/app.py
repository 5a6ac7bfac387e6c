"""
A Faust app on the lane, with the settings that everything else relies on.

It takes values, not Settings. Running one is in ``worker``; agents, tables and topics are added by the
modules that own them.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any, cast

import faust
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list
from faust.types import TP, EventT
from faust.types.auth import CredentialsT

from agents.lane.consumer import LaneConsumer
from agents.lane.delivery import LaneSchema
from agents.lane.fences import Lease
from agents.lane.transport import LaneOptions, LaneTransport
from agents.stacks import log_stacks
from agents.time_source import SYSTEM_TIME, TimeSource

PRODUCER_MAX_BATCH_BYTES = 1_000_000
"""Below Kafka's default message.max.bytes (1,048,588); a step of states has a limit of its own."""

_METADATA_MS = 10_000
"""
How old the consumer's picture of the topics may get; aiokafka's default is five minutes.

A broker that was started a moment ago may not know its topics yet. The leader of a group then shares out
none, and all of it idles until the picture is another one.
"""

STUCK_SECONDS = 30.0
"""
A worker whose event loop has not turned for as long is taken for stuck.

Well above what it may take: the states of a partition are decoded in one go (10 s for
250,000 accounts, docs/performance.md); and a stop, which blocks the loop too, takes
``agents.worker.STOP_SECONDS`` at most.
"""


class LaneApp(faust.App):
    """
    A Faust app whose transport is the lane and that keeps nothing on disk.

    *time_source* is what everything of the worker takes its time from. A worker whose event loop has not
    turned for *stuck_seconds* is not alive.
    """

    logger = logging.getLogger("faust.lane")  # what Faust says of its own doings

    def __init__(
        self,
        name: str,
        *,
        session_seconds: float,
        lane_options: LaneOptions,
        heartbeat_seconds: float = 3.0,
        time_source: TimeSource = SYSTEM_TIME,
        stuck_seconds: float = STUCK_SECONDS,
        **settings: Any,
    ) -> None:
        self.time_source = time_source
        self._stuck_seconds = stuck_seconds
        self.turn_seconds = stuck_seconds / 30
        """How often whoever runs the app calls ``turned``."""
        self._silent_seconds = max(session_seconds / 2, 3 * heartbeat_seconds)
        self._lease = Lease(session_seconds)
        self._lane_options = lane_options
        self.leaving = False
        """Set by whoever is about to stop the app: not ready from then on."""
        self._turned_at = time_source.monotonic()
        self._turning: asyncio.AbstractEventLoop | None = None
        self._traced_at: float | None = None
        """When the loop had turned last, as its stacks were logged."""
        super().__init__(
            name,
            broker_session_timeout=session_seconds,
            broker_heartbeat_interval=heartbeat_seconds,
            **settings,
        )

    @property
    def lane(self) -> LaneTransport:
        """The transport: lease, options, and ``state_offsets``, to be set before the start."""
        return cast("LaneTransport", self.transport)

    def batches_of(self, *topics: str) -> Any:
        """Make the Faust channel of *topics* for an agent: one event per partition poll, see ``accept``."""
        return self.topic(*topics, schema=LaneSchema())

    def accept(self, event: EventT[Any]) -> list[Any]:
        """The records of *event* in offset order; the agent's first call for each event. See LaneConsumer."""
        return self.lane_consumer.accept(event)

    @property
    def lane_consumer(self) -> LaneConsumer:
        """The consumer, typed."""
        return cast("LaneConsumer", self.consumer)

    async def partition_count(self, topic: str) -> int:
        """How many partitions *topic* has, as the producer knows; asked of a broker the first time."""
        producer: Any = self.producer._ensure_producer()  # type: ignore[attr-defined]  # noqa: SLF001 - Faust does not tell
        return len(await producer.partitions_for(topic))

    def readiness(self) -> tuple[bool, str]:
        """
        Whether the app has its partitions and their state, and a sentence about it; safe from another thread.

        A worker that the group gives no partition, because there are more workers than partitions, is never
        ready.
        """
        if self.leaving:
            return False, "stops"
        if not self.started or self._consumer is None:
            return False, "waits for a broker, or is being prepared"
        try:
            assigned = self.consumer.assignment()
        except ConsumerNotStarted:
            return False, "connects to the broker"
        return self._readiness_of(assigned)

    def _readiness_of(self, assigned: Collection[TP]) -> tuple[bool, str]:
        """``readiness`` of a consumer that runs and owns *assigned*."""
        if self.rebalancing or not assigned:
            return False, "waits for partitions from its group"
        if self.broker_away:
            return False, self.broker_away
        if not self.lane_consumer.flow_active:
            return False, "reads its state back from the changelog"
        owned = sorted({tp.partition for tp in assigned})
        return True, f"processes partitions {', '.join(map(str, owned))}"

    @property
    def broker_away(self) -> str:
        """Why Kafka counts as away, in a sentence; empty while the group answers. Safe from other threads."""
        seconds = self._lease.silent_seconds()
        if seconds is None or seconds <= self._silent_seconds:
            return ""
        return f"Kafka is away: the group has not answered a heartbeat for {seconds:.0f} s"

    def turned(self) -> None:
        """Note that the event loop turns, or gets on with what blocks it."""
        self._turned_at = self.time_source.monotonic()
        self._turning = asyncio.get_running_loop()

    def liveness(self) -> tuple[bool, str]:
        """
        Whether the event loop has turned of late, and a sentence about it; safe from another thread.

        A worker that waits for Kafka is alive: its loop turns. Whoever is told that it is not may kill it, so
        where all threads and tasks stand is logged first, once until the loop turns again.
        """
        turned_at = self._turned_at
        seconds = self.time_source.monotonic() - turned_at
        if seconds <= self._stuck_seconds:
            return True, "the event loop turns"
        if self._traced_at != turned_at:
            self._traced_at = turned_at
            log_stacks(self._loops())
        return False, f"the event loop has not turned for {seconds:.0f} s"

    def _loops(self) -> list[asyncio.AbstractEventLoop]:
        """The event loops of this worker: its own, and that of the consumer's thread once there is one."""
        loops = [] if self._turning is None else [self._turning]
        return loops if self._consumer is None else [*loops, self.lane_consumer.thread_loop]

    @property
    def connection(self) -> dict[str, Any]:
        """Arguments for an aiokafka client of our own, to the same brokers under the same identity."""
        servers = server_list(self.conf.broker_consumer, 9092)
        security = credentials_to_aiokafka_auth(self.conf.broker_credentials, self.conf.ssl_context)
        return {"bootstrap_servers": servers, **security}

    def _new_transport(self) -> LaneTransport:
        return LaneTransport(self.conf.broker_consumer, self, lease=self._lease, options=self._lane_options)

    def _create_directories(self) -> None:
        """Make none: state is in memory and in Kafka."""


def make_app(
    name: str,
    *,
    brokers: str,
    partitions: int,
    session_seconds: float = 20.0,
    heartbeat_seconds: float = 3.0,
    commit_seconds: float = 1.0,
    security: Mapping[str, Any] | None = None,
    lane_options: LaneOptions | None = None,
    time_source: TimeSource = SYSTEM_TIME,
    stuck_seconds: float = STUCK_SECONDS,
) -> LaneApp:
    """
    Make the app *name*, which is its consumer group too, on *brokers* (``host:port,host:port``).

    *partitions* is the count that log, outputs and changelog share. *security* is None for plaintext, else
    ``ssl_context`` (an ``ssl.SSLContext``) for TLS, ``username``, ``password`` and ``mechanism`` for SASL, or
    both. *time_source* and *stuck_seconds* are the LaneApp's.
    """
    return LaneApp(
        name,
        session_seconds=session_seconds,
        heartbeat_seconds=heartbeat_seconds,
        lane_options=lane_options or LaneOptions(),
        time_source=time_source,
        stuck_seconds=stuck_seconds,
        broker=[f"kafka://{broker.strip()}" for broker in brokers.split(",")],
        broker_credentials=_credentials(security),
        broker_rebalance_timeout=max(session_seconds, 20.0),
        broker_request_timeout=max(session_seconds, 30.0),  # Faust: not below the session
        broker_commit_interval=commit_seconds,
        consumer_metadata_max_age_ms=_METADATA_MS,
        broker_max_poll_records=5000,
        # recovery starts one before the log start, and relies on the reset
        consumer_auto_offset_reset="earliest",
        producer_max_batch_size=PRODUCER_MAX_BATCH_BYTES,
        producer_request_timeout=60,  # the default of 20 minutes hides a broker that is gone
        processing_guarantee="at_least_once",
        # the default restarts the agent behind the event that failed
        agent_supervisor="mode.CrashingSupervisor",
        store="memory://",
        stream_buffer_maxsize=100_000,  # never reached; in-flight records are bounded by the lane
        table_standby_replicas=0,
        topic_allow_declare=False,  # Faust would make them with one replica
        topic_disable_leader=True,
        topic_partitions=partitions,
        web_enabled=False,
    )


def _credentials(security: Mapping[str, Any] | None) -> CredentialsT | None:
    if security is None:
        return None
    if "username" in security:
        return faust.SASLCredentials(**security)
    return faust.SSLCredentials(
        **{"context" if key == "ssl_context" else key: value for key, value in security.items()}
    )
