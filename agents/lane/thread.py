"""
The consumer's thread: what the lane asks of aiokafka's consumer from inside the loop that owns it.

Everything here runs in, or is handed over to, Faust's consumer thread. What is polled and committed when is
decided in ``consumer``.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka.structs import OffsetAndMetadata
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT

from agents.lane.fences import Exit, stop

if TYPE_CHECKING:
    from agents.lane.transport import LaneTransport

log = logging.getLogger(__name__)

Commit = Callable[[Mapping[Any, OffsetAndMetadata]], Awaitable[None]]


class LaneConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with the lease on group requests and a group that is watched."""

    logger = logging.getLogger("faust.lane")  # what Faust says of its own doings
    transport: "LaneTransport"
    unread: Collection[TP] = frozenset()
    """
    Of the partitions polled last: those with records behind what was polled, or of which that is not known
    yet.
    """

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes 1500 ms: partitions that are drained then hold the only fetch to their node that
        # long, which cost 40 % when catching up with one topic.
        consumer._fetch_max_wait_ms = self.transport.options.fetch_wait_ms  # noqa: SLF001 - no setting for it
        if self.transport.commit_metadata:
            consumer.commit = self._with_metadata(consumer.commit)  # Faust leaves the metadata empty
        return consumer

    def _with_metadata(self, commit: Commit) -> Commit:
        metadata = self.transport.commit_metadata

        async def commit_with_metadata(offsets: Mapping[TP, OffsetAndMetadata]) -> None:
            await commit({tp: OffsetAndMetadata(at.offset, metadata) for tp, at in offsets.items()})

        return commit_with_metadata

    async def on_start(self) -> None:
        """Start the consumer; from here on every answer of the group renews the lease."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - no public way to see a heartbeat
        coordinator._send_req = self.transport.lease.granted_by(coordinator._send_req)  # noqa: SLF001

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - as declared by Faust
        max_records: int | None = None,
    ) -> Any:
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        if self.transport.alignment is not None:
            states = self._assigned(active_partitions)
            self.unread = {tp for tp, state in states.items() if _may_have_more(state)}
        return records

    def mirror_pause(self, tps: Iterable[TP], *, paused: bool) -> None:
        """
        Pause or resume *tps* in aiokafka as well; called from the main loop.

        Faust pauses in its own books only, and aiokafka goes on fetching: a changelog while we write it, for
        one.
        """

        def apply() -> None:
            consumer = self._ensure_consumer()
            for tp in map(driver.ensure_aiokafka_TP, tps):
                if tp in consumer.assignment():
                    (consumer.pause if paused else consumer.resume)(tp)

        self.thread_loop.call_soon_threadsafe(apply)

    async def check_group(self) -> None:
        """
        See that group membership is alive; end the process if it has ended.

        aiokafka parks an error of the group until ``check_errors`` and consumes nothing meanwhile; Faust
        never calls that. Asking consumes the error and lets the member join again.
        """
        consumer = self._ensure_consumer()
        # A member that owns no partition fetches nothing, and aiokafka would leave the group after
        # max_poll_interval.
        with consumer._subscription.fetch_context():  # noqa: SLF001 - what getone() and getmany() do
            pass
        coordinator = consumer._coordinator  # noqa: SLF001 - its errors have no public door
        task, closing = coordinator._coordination_task, coordinator._closing.done()  # noqa: SLF001
        if task.done() and not closing:
            stop(Exit.GROUP, f"group {coordinator.group_id}: {task!r}")
        try:
            coordinator.check_errors()
        except Exception as error:  # noqa: BLE001 - whatever was parked
            log.error("Group %s: %r; joining again", coordinator.group_id, error)  # noqa: TRY400 - it has no trace

    async def place(self, offsets: Mapping[TP, int], at_beginning: Iterable[TP]) -> None:
        """Seek to *offsets*, and to the log start of the partitions *at_beginning*."""
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            consumer.seek(driver.ensure_aiokafka_TP(tp), offset)
        beginning = [driver.ensure_aiokafka_TP(tp) for tp in at_beginning]
        if beginning:
            await consumer.seek_to_beginning(*beginning)

    async def positions(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Offsets of the next record to be handed out, for those of *tps* that have one."""
        states = self._assigned(tps)
        return {tp: state.position for tp, state in states.items() if state.has_valid_position}

    async def ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Offsets behind the last record, as the last fetch told, for those of *tps* that were fetched."""
        states = self._assigned(tps)
        return {tp: state.highwater for tp, state in states.items() if state.highwater is not None}

    async def log_ends(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Offsets behind the last record of *tps*, asked of the brokers."""
        ends = await self._ensure_consumer().end_offsets([driver.ensure_aiokafka_TP(tp) for tp in tps])
        return {ensure_TP(tp): end for tp, end in ends.items()}

    def _assigned(self, tps: Iterable[TP]) -> dict[TP, Any]:
        """What aiokafka keeps of those of *tps* that are assigned."""
        subscription: Any = self._ensure_consumer()._subscription.subscription  # noqa: SLF001 - position() waits
        if subscription is None or subscription.assignment is None:
            return {}
        states = {tp: subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp)) for tp in tps}
        return {tp: state for tp, state in states.items() if state is not None}


def _may_have_more(state: Any) -> bool:
    """Whether the last fetch told of records behind the position, or there was none yet."""
    return not state.has_valid_position or state.highwater is None or state.position < state.highwater


def recovery_is_alive(app: AppT) -> bool:
    """
    Whether *app*'s table recovery can still react to a rebalance; False before it has started, too.

    Faust takes a request that timed out during recovery for a shutdown: the task ends without an error, and a
    worker that looks well waits for ever.
    """
    recovery: Any = app.tables.recovery  # type: ignore[attr-defined]  # TableManagerT does not declare it
    # mode keeps its tasks nowhere else, named after their coroutines.
    return any("_restart_recovery" in task.get_name() for task in recovery._futures)  # noqa: SLF001
