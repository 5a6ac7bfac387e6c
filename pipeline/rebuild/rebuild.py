"""
The rebuild: the state of the health worker recreated from the log, under a new epoch, and the workers brought
over.

1. fold every partition of the log from its start, while the workers go on; nothing is written yet
2. mark the new epoch in every partition of the changelog: a worker stops at its next append there, and none
   starts until the epoch is complete
3. partition by partition, fold what the log has got meanwhile, so that the new state is nowhere behind the
   old one, then write all outputs under the new epoch, then all states, the partition's record last: the
   epoch is complete

From there on a worker that starts takes the new epoch, since its positions are the highest. A rebuild that is
killed before the marks has changed nothing; after them, another one does all of it again, under an epoch of
its own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from pipeline.health.events import LogEntry, Tick
from pipeline.health.fold import PartitionFold
from pipeline.kafka.client import Configuration
from pipeline.kafka.groups import may_have_members
from pipeline.kafka.records import Appender, partitions_of, read_topic
from pipeline.rebuild.rebuilt_partition import Kept, Kind, RebuiltPartition
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import SCORED_AT, OutputDecoder
from pipeline.wire.position import EPOCH_MARK, encode_epoch_mark, unpack_position
from pipeline.wire.registry import Registry

_LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthTable:
    """What is rebuilt: the *changelog* of the state of *group*, from the log with this *topic_id*."""

    group: str
    changelog: str
    topic_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A partition that is complete under its new *epoch*: log *entries* folded, and what came of them."""

    partition: int
    epoch: int
    entries: int
    accounts: int
    versions: int
    alerts: int


class Rebuild:
    """
    Writes every partition of *table* again, all under one epoch that nobody has used yet.

    *lease_seconds* is how long a worker may write after the last answer of its group: one that has not met
    the mark by then is frozen, and ends when it wakes up. *say* gets a line for people now and then.
    """

    def __init__(
        self,
        client: Configuration,
        *,
        contract: Contract,
        registry: Registry,
        table: HealthTable,
        lease_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._client = client
        self._contract = contract
        self._registry = registry
        self._table = table
        self._lease_seconds = lease_seconds
        self._say = say
        self._topics = {
            Kind.CHANGE: contract.change.name,
            Kind.ALERT: contract.alert.name,
            Kind.SNAPSHOT: contract.current.name,
            Kind.STATE: table.changelog,
        }

    def run(self, *, skip_lost: bool) -> Iterator[Rebuilt]:
        """Rebuild every partition, and tell of each; raises ``LogIncomplete`` before anything is changed."""
        epoch = self._newest_epoch() + 1
        partitions = partitions_of(self._client, self._contract.log.name)
        with ExitStack() as stack:
            waiting = []
            for partition in partitions:
                fold = PartitionFold(partition, read_documents, epoch=epoch, topic_id=self._table.topic_id)
                rebuilt = stack.enter_context(
                    RebuiltPartition(
                        fold, contract=self._contract, registry=self._registry, skip_lost=skip_lost
                    )
                )
                self._catch_up(rebuilt)
                self._say(f"partition {partition}: {rebuilt.entries:,} entries folded")
                rebuilt.park()
                waiting.append(rebuilt)
            self._take_over(partitions, epoch)
            for rebuilt in waiting:
                rebuilt.resume()
                self._catch_up(rebuilt)
                self._write(rebuilt.number, rebuilt.records())
                yield Rebuilt(
                    partition=rebuilt.number,
                    epoch=epoch,
                    entries=rebuilt.entries,
                    accounts=rebuilt.accounts,
                    versions=rebuilt.versions,
                    alerts=rebuilt.alerts,
                )
                rebuilt.close()

    def _newest_epoch(self) -> int:
        """
        The highest epoch of any state, begun or complete, and of any snapshot, should the changelog be gone.
        """
        newest = 1
        for record in read_topic(self._client, self._table.changelog):
            if record.value is not None:
                newest = max(newest, unpack_position(record.value).epoch)
        topic, decode = self._contract.current.name, OutputDecoder(self._contract, self._registry).decode
        for record in read_topic(self._client, topic):
            if record.value is not None:
                newest = max(newest, decode(topic, record.value)["epoch"])
        return newest

    def _catch_up(self, rebuilt: RebuiltPartition) -> None:
        start = {rebuilt.number: rebuilt.next_offset}
        rebuilt.fold(read_topic(self._client, self._contract.log.name, start=start))

    def _take_over(self, partitions: Iterable[int], epoch: int) -> None:
        """Begin *epoch*, and return when every worker has met the mark or cannot write any more."""
        mark = encode_epoch_mark(epoch)
        self._append_to_each(partitions, self._table.changelog, EPOCH_MARK, mark)
        if not self._has_workers():
            return
        self._say("the workers stop, and take the new epoch over when they are started again")
        # A worker meets the mark when it writes. A tick at or below the clock changes nothing, but makes it
        # write.
        tick = LogCodec(self._contract, self._registry).encode(LogEntry(0, "", 0, 0, Tick()))
        self._append_to_each(partitions, self._contract.log.name, b"", tick)
        deadline = time.monotonic() + self._lease_seconds
        while time.monotonic() < deadline and self._has_workers():
            time.sleep(_LOOK_SECONDS)

    def _has_workers(self) -> bool:
        return may_have_members(self._client, self._table.group)

    def _append_to_each(self, partitions: Iterable[int], topic: str, key: bytes, value: bytes) -> None:
        with Appender(self._client) as appender:
            for partition in partitions:
                appender.append(topic, key, value, partition=partition)

    def _write(self, partition: int, records: Iterable[Kept]) -> None:
        """
        Write *records*: outputs are acknowledged before the first state leaves, so that a crash can lose
        none.
        """
        headers = [(SCORED_AT, str(int(time.time() * 1000)).encode())]
        with Appender(self._client) as appender:
            outputs_wait = True
            for kind, key, value in records:
                if kind is Kind.STATE and outputs_wait:
                    appender.flush()
                    outputs_wait = False
                told = () if kind is Kind.STATE else headers
                appender.append(self._topics[kind], key, value, partition=partition, headers=told)
