"""
The lane's consumer: one Faust message per partition poll, a hold at a seek, a drain at a revoke.

Stock Faust forgets what was acknowledged at a revoke, throws away delivered records between a seek and the
resume, and delivers record by record. The overrides here cure these three. What may be committed is in
``commits``, what the records mean is the agent's.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from time import monotonic, time
from typing import Any, cast

from faust.transport.consumer import ensure_TP
from faust.types import TP, ConsumerMessage, EventT, Message
from mode import Service

from agents.lane.commits import CommittingConsumer
from agents.lane.delivery import PollScheduler, RecordBatch
from agents.lane.fences import Exit, stop
from agents.lane.store import StateStore
from agents.lane.thread import LaneConsumerThread, recovery_is_alive

_POLL_ENDS_WITHIN_SECONDS = 2.0
"""A poll lasts one second at most, unless it waits for the assignment that waits for us."""


class LaneConsumer(CommittingConsumer):
    """
    Faust's consumer with batches, a hold at a seek, and a drain at a revoke.

    A poll is *running* from the last check whether it may start until all it brought is handed over. The hold
    lasts from a seek to ``resume_flow``: Faust clears the stream queues in between. The drain lasts from a
    revoke to ``resume_flow``: nothing new is delivered, what is in flight is acknowledged and committed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scheduler: Any = PollScheduler()  # Faust declares the interleaving of single records
        self._options = self.transport.options
        self._on_hold = False
        self._draining = False
        self._polled_by: asyncio.Task[Any] | None = None
        self._polled_at = 0.0
        self._poll_ended = asyncio.Event()
        self._poll_ended.set()
        self._group_offsets: Mapping[TP, int | None] = {}
        self._recovery_was_alive = False

    @property
    def thread_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the consumer's thread."""
        return self._thread.thread_loop

    def _new_consumer_thread(self) -> LaneConsumerThread:
        return LaneConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- polling

    def _may_poll(self) -> bool:
        if self._on_hold or self._draining or not self.flow_active:
            return False
        return self.deliveries.records_waiting < self._options.max_records_in_flight

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109
        """Poll once, when it may be: yields a partition and the message that carries its records."""
        pause = self._polled_at + self._options.pause_seconds - monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        if not self._may_poll():
            self._changed.clear()
            await self.wait_first(self._changed.wait(), timeout=timeout)
            return
        # Nothing is awaited between this check and the mark below: a seek that came in between would neither
        # see this poll nor be seen by it, and records from before the seek would be delivered.
        self._poll_ended.clear()
        self._polled_by = asyncio.current_task()
        self._polled_at = monotonic()
        try:
            await self._note_positions()
            async for tp, message in super().getmany(timeout):
                if self._on_hold or self._draining:
                    break  # not booked as delivered: it is read again after the seek
                if isinstance(message.value, RecordBatch):
                    self._see_that_it_goes_on(message.value)
                    self.deliveries.deliver(message.value)
                yield tp, message
        finally:
            self._polled_by = None
            self._poll_ended.set()

    def _see_that_it_goes_on(self, batch: RecordBatch) -> None:
        """
        End the process at a batch from before what was read: aiokafka starts again at the beginning where its
        position is gone.
        """
        first, read = batch.records[0].offset, self._read_offset.get(batch.tp)
        if read is not None and first < read:
            stop(
                Exit.WENT_BACK,
                f"{batch.tp.topic}[{batch.tp.partition}] goes on at {first}, read up to {read}",
            )

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        """
        Poll *active_partitions* for what the scheduler hands over: pairs of a partition and records of it.
        """
        alignment = self.transport.alignment
        if alignment is None or active_partitions is None:
            with self.transport.stages.stage("poll"):
                return (await super()._getmany(active_partitions, timeout)).items()
        asked = alignment.to_poll(active_partitions)
        if asked:
            began = monotonic()
            with self.transport.stages.stage("poll"):
                records = await super()._getmany(asked, alignment.poll_seconds(timeout))
            alignment.polled(records, asked=asked, unread=self._thread.unread, seconds=monotonic() - began)
        return alignment.go_on(round(time() * 1000))

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        records: list[Any] = record  # the scheduler hands over all of them
        tables: Any = self.app.tables
        table = tables._changelogs.get(tp.topic)  # noqa: SLF001 - as Faust's recovery looks it up
        if table is not None:
            # Recovery: applied here in bulk. Faust sees the last record only, and moves its offsets by it.
            cast("StateStore", table.data).apply(tp, records)
            return super()._to_message(tp, records[-1])
        batch = RecordBatch(tp=ensure_TP(tp), records=records)
        return batch.as_message(self.app.consumer_generation_id)

    def accept(self, event: EventT[Any]) -> list[Any]:
        """
        The records of *event*, in offset order (aiokafka ``ConsumerRecord``). The agent's first call for each
        event.

        Ends the process when a batch between this one and the last one accepted never arrived.
        """
        batch = cast("RecordBatch", event.value)
        seen = self.deliveries.accept(batch)
        if seen is not None:
            stop(Exit.GAP, f"{batch.tp}: a batch follows offset {batch.previous}, the agent has seen {seen}")
        return batch.records

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        """Pause *tps*, in aiokafka too."""
        tps = set(tps)
        super().pause_partitions(tps)
        self._thread.mirror_pause(tps, paused=True)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Resume *tps*, in aiokafka too."""
        tps = set(tps)
        super().resume_partitions(tps)
        self._thread.mirror_pause(tps, paused=False)

    # -- seeking

    async def perform_seek(self) -> None:
        """Seek all partitions, and deliver nothing from here to ``resume_flow``."""
        self._on_hold = True
        if asyncio.current_task() is not self._polled_by:  # Faust seeks from inside a poll, too
            await self._poll_ended.wait()
        self.deliveries.forget_all()
        if self.transport.alignment is not None:
            self.transport.alignment.forget_all()
        self._positions = {}
        await super().perform_seek()
        # Faust takes what it has sought for what is committed; the state may be ahead of the group.
        self._committed_offset.update(self._group_offsets)
        if self.transport.commit_metadata:
            # Said at once: a group with nothing to read commits nothing by itself.
            again = {tp: at or 0 for tp, at in self._group_offsets.items() if not self._is_changelog_tp(tp)}
            await self._thread.commit(again)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """
        Seek to what the state asks for, else to what the group has committed, else to the log start.

        Returns where each partition is read on; Faust skips what comes from before.
        """
        committed: dict[TP, int | None] = {
            ensure_TP(tp): offset for tp, offset in (await super().seek_to_committed()).items()
        }
        self._group_offsets = committed
        ask = self.transport.state_offsets
        wanted = dict(await ask(committed)) if ask is not None else {}
        sought = {
            tp: at for tp, at in {**committed, **wanted}.items() if at and not self._is_changelog_tp(tp)
        }
        ends = await self._thread.call_thread(self._thread.log_ends, sought)
        for tp, end in ends.items():
            if sought[tp] <= end:
                continue
            if tp in wanted:
                stop(Exit.LOG_HOLE, f"{tp}: the log ends at {end}, the state stands at {sought[tp]}")
            committed[tp] = None  # of a topic that is gone: this one has its name, and nobody has read it
        # aiokafka leaves partitions without a commit where they are, which may be behind a poll that was
        # dropped.
        untouched = [
            tp
            for tp, offset in committed.items()
            if not offset and tp not in wanted and not self._is_changelog_tp(tp)
        ]
        await self._thread.call_thread(self._thread.place, wanted, untouched)
        return cast("Mapping[TP, int]", {**committed, **wanted})  # Faust's own has None in it, too

    def resume_flow(self) -> None:
        """Poll again."""
        super().resume_flow()
        self._on_hold = self._draining = False
        self._changed.set()

    # -- giving partitions away

    async def drain(self, seconds: float | None = None) -> None:
        """
        Deliver nothing more, wait until all that is in flight is acknowledged, and commit it.

        Ends the process when that takes longer than *seconds*, by default as long as a revoke may: memory
        would be ahead of the changelog.
        """
        seconds = self._options.drain_seconds if seconds is None else seconds
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._poll_ended.wait(), _POLL_ENDS_WITHIN_SECONDS)
        give_up_at = monotonic() + seconds
        while self.deliveries.records_waiting:
            if monotonic() > give_up_at:
                left = ", ".join(f"{tp.topic}[{tp.partition}]" for tp in sorted(self.deliveries.partitions()))
                stop(Exit.DRAIN, f"not acknowledged within {seconds:.0f} s: {left}")
            await asyncio.sleep(0.01)
        # commit() does nothing while another one runs, and that one may have begun before the last
        # acknowledgement.
        while await self.maybe_wait_for_commit_to_finish():
            pass
        await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drain first: Faust drops what was acknowledged before it commits."""
        if not self.app.should_stop:
            await self.drain()
        await super().on_partitions_revoked(revoked)
        self.deliveries.forget(revoked)
        if self.transport.alignment is not None:
            self.transport.alignment.forget(revoked)

    # -- watching

    @Service.task
    async def _watch_group(self) -> None:
        async for _ in self.itertimer(1.0, name="group-watch"):
            await self._thread.call_thread(self._thread.check_group)
            self._check_recovery()

    def _check_recovery(self) -> None:
        alive = recovery_is_alive(self.app)
        if self._recovery_was_alive and not alive and not self.app.should_stop:
            stop(Exit.GROUP, f"{self.app.conf.id}: table recovery has ended after a request that timed out")
        self._recovery_was_alive = alive

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust compares clocks that have no relation here, and only logs."""
