"""
The intake app: every input topic in, one account log out; what cannot be used goes to its dead-letter topic.

What a record means is decided by ``pipeline.intake``. Here it is read, placed and acknowledged: one writer
for the whole app, so that each log partition holds, for each source partition, a prefix without holes.
Exactness rests on that, and so an append that fails ends the process.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from faust.types import TP

from agents.account_places import account_places
from agents.app import LaneApp
from agents.clock import Clock, LogClock
from agents.dead_letter_records import FloodGauge, make_dead_letter
from agents.dead_letter_returns import DeadLetterReturns
from agents.directory_feed import DirectoryFeed, directory_feed
from agents.input_progress import InputProgress
from agents.lag import report_lag
from agents.lane.alignment import TimeAlignment
from agents.lane.fences import Exit
from agents.lane.stages import StageClock
from agents.lane.writer import Record, Writer, append
from agents.log_readers import wait_for_readers
from agents.topic_ids import TopicIds
from pipeline import metrics
from pipeline.errors import TelltaleError
from pipeline.health.events import LogEntry, Tick
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import CODES, Accepted, Received, Rejected
from pipeline.wire.contract import Contract, Topic
from pipeline.wire.inputs import InputDecoder
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import Registry, RegistryUnavailable

log = structlog.get_logger(__name__)

Verdict = Accepted | Rejected

_BROKER_RETRY_SECONDS = 1.0

_READERS_SECONDS = 60.0
"""
How long health workers have to say that they can read our log: as long as all parts take that are started
together.
"""

_MAX_DRIFT_SECONDS = 120.0
"""
Furthest one input is read ahead of another. Less would cost batches when catching up; more, order in the log.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What one poll became: records per topic and partition, in order, and the event to acknowledge."""

    records: dict[tuple[str, int], list[Record]]
    observed_at: int
    event: Any


class IntakeWorker:
    """
    The intake as one process runs it: ``run_worker(worker.app, prepared=worker.prepared)``.

    *app* is made by ``make_app`` and gets the agent and the clock here; its partition count is the log's. A
    tick is written every *tick_seconds*, by whichever worker owns partition 0 of the account topic. With
    *set_floods_aside* it dead-letters what cannot be read however much it is. *input_topic_ids* asks the
    broker for the ids of the input topics, by which one recreated is known, *dead_letter_ids* for those of
    their dead-letter topics; they are called in threads, once a broker answers and from then on.
    *health_group* is the consumer group of the health workers, which must be able to read what is written
    here. A registry that does not answer is asked again after *registry_retry_seconds*.
    """

    def __init__(
        self,
        app: LaneApp,
        *,
        contract: Contract,
        registry: Registry,
        pseudonyms: Pseudonyms,
        tick_seconds: float,
        set_floods_aside: bool = False,
        input_topic_ids: Callable[[], Mapping[str, str]] = dict,
        dead_letter_ids: Callable[[], Mapping[str, str]] = dict,
        health_group: str,
        registry_retry_seconds: float = 1.0,
    ) -> None:
        self.app = app
        self._contract = contract
        self._health_group = health_group
        self._decoder = InputDecoder(contract, registry)
        self._encode = LogCodec(contract, registry).encode
        directory = AccountDirectory()
        self._intake = Intake(directory=directory, pseudonyms=pseudonyms)
        self._partitions = app.conf.topic_partitions
        self._tick_seconds = tick_seconds
        self._time = app.time_source
        self._registry_retry_seconds = registry_retry_seconds
        self._place_of = account_places(self._partitions)
        self._writer: Writer[Placed] = Writer(self._write)
        self._feed: DirectoryFeed | None = None
        self._flood = None if set_floods_aside else FloodGauge()
        self._returns = DeadLetterReturns(
            app,
            contract=contract,
            decode=self._decode,
            directory=directory,
            owns=self._owns_clock,
            topic_ids=dead_letter_ids,
        )
        self._inputs = [topic.name for topic in contract.inputs]
        self._topic_ids = TopicIds(input_topic_ids, Exit.INPUT_RECREATED)
        self._generation = 0
        app.lane.alignment = TimeAlignment(max_drift_seconds=_MAX_DRIFT_SECONDS)
        app.agent(app.batches_of(*self._inputs), name="intake")(self._process)
        for task in (self._follow_accounts, self._tick, self._report_lag, self._return_dead_letters):
            app.task(task)
        metrics.seed(metrics.EVENTS_CONSUMED, source=[topic.source or "" for topic in contract.inputs])
        metrics.seed(metrics.DEAD_LETTERS, topic=self._inputs, code=CODES)

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[None]:
        """
        Know which inputs these are and every account, before the first event is judged and as long as events
        are.
        """
        topic, connection = self._contract.input("account").name, self.app.connection
        await wait_for_readers(self._contract, self._health_group, connection, seconds=_READERS_SECONDS)
        async with self._topic_ids.watched():
            self._decoder.tell_apart(self._topic_ids.ids)
            async with directory_feed(topic, self._learn, connection) as self._feed:
                yield

    async def _learn(self, records: Sequence[Any]) -> None:
        for received in await self._decode(records):
            if isinstance(received, Received):
                self._returns.changed(self._intake.follow(received, self._time.now()))

    async def _follow_accounts(self) -> None:
        await self._directory.follow()

    @property
    def _directory(self) -> DirectoryFeed:
        assert self._feed is not None, "the app runs inside prepared()"
        return self._feed

    # -- events

    async def _process(self, stream: Any) -> None:
        async for event in stream.noack().events():
            records = self.app.accept(event)
            await self._see_that_inputs_are_the_same()
            now = self._time.now()
            received = await self._decode(records)
            with self._stages.stage("fold"):
                verdicts = [self._judge(one, now) for one in received]
            if any(isinstance(v, Rejected) and v.code == "unresolved_account" for v in verdicts):
                # The directory is read to its present end before an account is called unknown.
                await self._directory.catch_up()
                with self._stages.stage("fold"):
                    verdicts = [self._judge(one, now) for one in received]
            if self._flood is not None:
                self._flood.count(event.value.tp, records, verdicts)
            with self._stages.stage("encode"):
                placed = await self._place(event, records, verdicts)
            self._writer.put(0, placed)

    @property
    def _stages(self) -> StageClock:
        return self.app.lane.stages

    async def _see_that_inputs_are_the_same(self) -> None:
        """
        End the process when an input was recreated, asked in every generation of the group before its first
        records.

        Within a generation such an input goes back, which the lane does not let pass.
        """
        while self._generation != (generation := self.app.consumer_generation_id):
            try:
                await asyncio.to_thread(self._topic_ids.check)
            except TelltaleError as exc:
                log.warning("inputs.unknown", reason=str(exc), hint="asks again by itself")
                await asyncio.sleep(_BROKER_RETRY_SECONDS)
            else:
                self._generation = generation

    async def _decode(self, records: Sequence[Any]) -> list[Received | Rejected]:
        decode = self._decoder.decode
        try:
            with self._stages.stage("fold"):
                return [decode(record) for record in records]
        except RegistryUnavailable as exc:
            reason = str(exc)
        while True:
            # It says nothing about the records: they wait, and with them the inputs of this worker.
            log.warning("registry.unavailable", reason=reason, hint="tries again by itself")
            await asyncio.sleep(self._registry_retry_seconds)
            try:
                # A request blocks for seconds; meanwhile the clock and what was placed go on.
                return await asyncio.to_thread(lambda: [decode(record) for record in records])
            except RegistryUnavailable as exc:
                reason = str(exc)

    def _judge(self, received: Received | Rejected, now: int) -> Verdict:
        if isinstance(received, Rejected):
            return received
        return self._intake.process(received, now)

    async def _place(self, event: Any, records: Sequence[Any], verdicts: Sequence[Verdict]) -> Placed:
        placed: dict[tuple[str, int], list[Record]] = defaultdict(list)
        log_topic = self._contract.log.name
        input_topic = self._contract.topic(event.message.topic)
        for record, verdict in zip(records, verdicts, strict=True):
            if isinstance(verdict, Accepted):
                partition, key = self._place_of(verdict.account_id)
                placed[log_topic, partition].append((key, self._encode(verdict.entry)))
            else:
                dead_letter, borne = make_dead_letter(record, verdict)
                placed[await self._dead_letters_of(input_topic, record.partition)].append(dead_letter)
                metrics.DEAD_LETTERS.labels(topic=input_topic.name, code=borne.code).inc()
        metrics.EVENTS_CONSUMED.labels(source=input_topic.source).inc(len(records))
        return Placed(records=placed, observed_at=records[0].timestamp, event=event)

    async def _dead_letters_of(self, topic: Topic, partition: int) -> tuple[str, int]:
        """
        Where the dead letters of a partition of *topic* go: the same one, where the dead letters have as
        many.
        """
        name = self._contract.dead_letter(topic).name
        return name, partition % await self.app.partition_count(name)

    async def _write(self, _: int, waiting: list[Placed]) -> None:
        together: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for placed in waiting:
            for place, records in placed.records.items():
                together[place].extend(records)
        with self._stages.stage("append"):
            await asyncio.gather(*(append(self.app, *place, records) for place, records in together.items()))
        now = self._time.wall()
        for placed in waiting:
            # One sample a poll, of its oldest record; one a record would cost as much as placing it.
            metrics.EVENT_LATENCY.labels(stage="logged").observe(max(0.0, now - placed.observed_at / 1000))
            placed.event.ack()

    # -- time

    async def _tick(self) -> None:
        async with InputProgress(self._inputs, self.app.conf.id, self.app.connection) as progress:
            wiring = LogClock(
                progress=progress,
                partitions=range(self._partitions),
                owns=self._owns_clock,
                write=self._write_tick,
            )
            await Clock(wiring, tick_seconds=self._tick_seconds, time_source=self._time).run()

    def _owns_clock(self) -> bool:
        first = TP(self._contract.input("account").name, 0)
        return first in self.app.consumer.assignment() and not self.app.rebalancing

    async def _write_tick(self, at: int, partitions: Sequence[int]) -> list[Any]:
        tick = self._encode(LogEntry(at, "", 0, 0, Tick()))
        topic = self._contract.log.name
        written = await asyncio.gather(
            *(append(self.app, topic, number, [(b"", tick)]) for number in partitions)
        )
        return [metadata for batches in written for metadata in batches]

    # -- beside it

    async def _return_dead_letters(self) -> None:
        await self._returns.run()

    async def _report_lag(self) -> None:
        await report_lag(self.app)
