"""
The health app: folds the account log and writes what follows from it.

Per partition one fold, built from the changelog after a rebalance. What a poll changes becomes steps; the
outputs of a step are acknowledged before its states, and its states before the offset is committed. How a
score comes about is ``pipeline.health``'s business, what it looks like in bytes is ``pipeline.wire``'s.
"""

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from faust.types import TP

from agents.app import LaneApp
from agents.health_metrics import HealthMetrics
from agents.health_steps import EncodedStep, StepEncoder
from agents.lag import report_lag
from agents.lane.fences import Exit, stop
from agents.lane.store import StateTable
from agents.lane.writer import Record, Writer, append
from agents.topic_ids import TopicIds
from pipeline import metrics
from pipeline.health.events import NO_EVENT
from pipeline.health.fold import PartitionFold
from pipeline.scorecards import InvalidScorecards, read_documents
from pipeline.wire.avro import Undecodable
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.log_version import log_version, reads_up_to
from pipeline.wire.position import PARTITION_RECORD, SCORECARDS_RECORD, EpochUnfinished, take_epoch
from pipeline.wire.registry import Registry
from pipeline.wire.state import StatesDiffer, decode_fold
from pipeline.wire.state_fields import NewerState

log = structlog.get_logger(__name__)

STEP_BYTES = 2 * 1024 * 1024
"""
Most bytes of states in one step: well below ``STATE_BATCH_BYTES``, so a step is one record batch.

An account that several events of a step are about is written once, so larger steps write fewer states
(docs/performance.md).
"""

TABLE = "state"

_CUTS_UNWRITTEN = 16
"""
Most steps of unfinished polls in memory; a tick in which a million accounts are due waits for the changelog.
"""

_TELL_SECONDS = 1.0

_TURN = 1_000
"""Entries after which heartbeats and the writer get their turn within a long poll: some 50 ms."""


class HealthWorker:
    """
    Health as one process runs it: ``run_worker(worker.app, prepared=worker.prepared)``.

    *app* is made by ``make_app`` and gets agent and table here. *log_topic_id* asks the broker for the id of
    the log topic, which is another one after the topic was deleted and recreated; it is called in a thread,
    once a broker answers and every few seconds from then on. A smaller *step_bytes* is for tests that want
    more cuts.
    """

    def __init__(
        self,
        app: LaneApp,
        *,
        contract: Contract,
        registry: Registry,
        log_topic_id: Callable[[], str],
        step_bytes: int = STEP_BYTES,
    ) -> None:
        self.app = app
        self._table = StateTable(app, name=TABLE, partitions=app.conf.topic_partitions)
        self._log_topic = contract.log.name
        self._decode = LogCodec(contract, registry).decode
        self._step_bytes = step_bytes
        self._writer: Writer[EncodedStep] = Writer(self._write)
        self._cuts = asyncio.Semaphore(_CUTS_UNWRITTEN)
        self._metrics = HealthMetrics(large_bytes=step_bytes // 2)
        self._steps = StepEncoder(contract, registry, self._metrics)
        self._topic_ids = TopicIds(lambda: {self._log_topic: log_topic_id()}, Exit.OTHER_TOPIC_ID)
        app.tables.add(self._table)
        app.lane.state_offsets = self._state_offsets
        app.lane.commit_metadata = reads_up_to(log_version(contract))
        app.agent(app.batches_of(self._log_topic), name="health")(self._process)
        for task in (self._report_metrics, self._report_lag):
            app.task(task)

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[None]:
        """Know which log this is before a state is taken for its fold."""
        async with self._topic_ids.watched():
            yield

    # -- recovery

    async def _state_offsets(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Say where each recovered partition's state wants the log to be read on; asked at every seek."""
        store = self._table.store
        wanted = {}
        for tp, group_offset in committed.items():
            if tp.topic != self._log_topic or tp.partition not in store.recovered:
                continue
            fold = store.folds.get(tp.partition) or self._build(tp.partition)
            self.app.turned()  # many partitions may take longer than a loop may stand still
            if fold.next_offset < (group_offset or 0):
                reason = (
                    f"{tp}: the state stands at {fold.next_offset}, the group has committed {group_offset}"
                )
                stop(Exit.STATE_BEHIND_GROUP, reason)
            wanted[tp] = fold.next_offset
        return wanted

    def _build(self, partition: int) -> PartitionFold:
        """
        Make the fold of a partition from what its changelog holds; the process ends if that does not add up.
        """
        store = self._table.store
        topic_id = self._topic_ids.ids[self._log_topic]
        started = time.monotonic()
        try:
            states = take_epoch(partition, store.take_states(partition))
        except EpochUnfinished as exc:
            stop(Exit.REBUILD, str(exc))
        # Of an older epoch nothing is written again.
        superseded = store.take_superseded(partition) & states.keys()
        record = states.pop(PARTITION_RECORD, None)
        scorecards = states.pop(SCORECARDS_RECORD, None)
        if record is None and states:
            stop(Exit.ACCOUNTS_DIFFER, f"partition {partition}: {len(states)} states and no record of them")
        try:
            with _collector_off():
                fold = (
                    PartitionFold(partition, read_documents, topic_id=topic_id)
                    if record is None
                    else decode_fold(partition, record, states, scorecards, read_documents)
                )
        except StatesDiffer as exc:
            stop(Exit.ACCOUNTS_DIFFER, str(exc))
        except (NewerState, InvalidScorecards) as exc:
            stop(Exit.NEWER_STATE, _on_one_line(exc))
        if fold.topic_id != topic_id:
            reason = f"the state belongs to log {fold.topic_id}, this is log {topic_id}"
            stop(Exit.OTHER_TOPIC_ID, f"partition {partition}: {reason}")
        store.folds[partition] = fold
        self._metrics.restored(fold)
        # A worker that had lost the partition has written older values behind ours: ours go on top again.
        for key in sorted(superseded):
            self._writer.put(partition, self._steps.again(fold, key))
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.set(seconds)
        log.info(
            "partition.restored",
            partition=partition,
            accounts=len(fold.states),
            superseded=len(superseded),
            seconds=round(seconds, 3),
        )
        return fold

    # -- folding

    async def _process(self, stream: Any) -> None:
        stages = self.app.lane.stages
        async for event in stream.noack().events():
            records, partition = self.app.accept(event), event.message.partition
            fold = self._table.store.folds[partition]
            try:
                with stages.stage("fold"):
                    observed_at = await self._fold(event.message.tp, fold, records)
            except Undecodable as exc:
                if exc.code in {"unknown_schema", "schema_mismatch"}:
                    where = f"{event.message.tp}: the entry at {fold.next_offset}"
                    stop(Exit.NEWER_STATE, f"{where} is of a newer release: {exc.detail}")
                raise
            with stages.stage("encode"):
                step = self._steps.end_step(fold, observed_at=observed_at, event=event)
            self._writer.put(partition, step)

    async def _fold(self, tp: TP, fold: PartitionFold, records: list[Any]) -> int | None:
        """Apply *records*; returns when the oldest event among them was observed, None if there is none."""
        oldest = None
        decode, apply, limit = self._decode, fold.apply, self._step_bytes
        grown = 0  # the fold takes states for as large as they were; one takes in no more than its events
        for number, record in enumerate(records, 1):
            offset = record.offset
            if number % _TURN == 0:
                await asyncio.sleep(0)
            if offset != fold.next_offset:
                if offset < fold.next_offset:
                    continue  # folded before the crash or the seek that brought it again
                stop(
                    Exit.LOG_HOLE,
                    f"{tp}: the log goes on at {offset}, the state stands at {fold.next_offset}",
                )
            entry = decode(record.value)
            if isinstance(entry.body, NO_EVENT):
                try:
                    while not fold.advance(entry, offset, limit - grown):
                        await self._cut(tp.partition, fold)
                        grown = 0
                except InvalidScorecards as exc:
                    stop(Exit.NEWER_STATE, f"{tp}: the scorecards at {offset}: {_on_one_line(exc)}")
            else:
                apply(record.key.decode(), entry, offset)
                oldest = oldest or entry.observed_at
                grown += len(record.value)
                if fold.pending_bytes + grown >= limit:
                    await self._cut(tp.partition, fold)
                    grown = 0
        self._metrics.folded(fold, len(records))
        return oldest

    async def _cut(self, partition: int, fold: PartitionFold) -> None:
        stages = self.app.lane.stages
        with stages.outside("fold"):
            await self._cuts.acquire()
        with stages.stage("encode"):
            step = self._steps.end_step(fold, is_cut=True)
        self._writer.put(partition, step)
        await asyncio.sleep(0)  # heartbeats and the writer get their turn within a long tick

    # -- writing

    async def _write(self, partition: int, waiting: list[EncodedStep]) -> None:
        """Write the steps that wait: as many at a time as fit into one batch of states."""
        while waiting:
            together, size = 1, waiting[0].size
            while together < len(waiting) and size + waiting[together].size <= self._step_bytes:
                size += waiting[together].size
                together += 1
            await self._write_batch(partition, waiting[:together])
            del waiting[:together]

    async def _write_batch(self, partition: int, steps: list[EncodedStep]) -> None:
        outputs: dict[str, list[Record]] = defaultdict(list)
        states: dict[bytes, bytes] = {}
        for step in steps:
            for topic, records in step.outputs.items():
                outputs[topic] += records
            states |= step.states
        changelog = TP(self._table.changelog_topic.get_topic_name(), partition)
        batch = [*states.items(), (PARTITION_RECORD, steps[-1].record)]
        with self.app.lane.stages.stage("append"):
            # A crash between the two repeats outputs, byte for byte; the other order would lose them.
            await asyncio.gather(
                *(append(self.app, topic, partition, records) for topic, records in outputs.items())
            )
            written = await append(self.app, changelog.topic, partition, batch, one_batch=True)
        self._table.store.appended(changelog, written[0].offset, len(batch))
        now = time.time()
        metrics.CHANGELOG_BYTES.inc(sum(len(value) for _, value in batch))
        for step in steps:
            if step.observed_at is not None:
                # One sample a poll, of its oldest event; one an event would cost a tenth of the fold.
                metrics.EVENT_LATENCY.labels(stage="scored").observe(max(0.0, now - step.observed_at / 1000))
            if step.event is not None:
                step.event.ack()
            if step.is_cut:
                self._cuts.release()

    # -- metrics

    async def _report_metrics(self) -> None:
        while True:
            self._metrics.tell(self._table.store.folds)
            await asyncio.sleep(_TELL_SECONDS)

    async def _report_lag(self) -> None:
        await report_lag(self.app)


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextmanager
def _collector_off() -> Iterator[None]:
    """
    Make many objects that live long, without the garbage collector walking over all of them again and again.

    It would take half of the time of decoding states; what was made is then left out of later collections,
    too.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
