"""
A worker on the lane with the smallest fold there is, a running total per key. Run as a script by the lane's
tests.

Each log entry adds its number to the total of its key and puts the total out. Outputs, states, the
partition's record and the order of writes are as in the real workers. `python lane_toy.py BROKERS` runs it
until a signal; `SLOW_SECONDS` pass between the outputs of a step and its state.
"""

import asyncio
import logging
import os
import struct
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from faust.types import TP

from agents.app import LaneApp, make_app
from agents.lane.fences import Exit, stop
from agents.lane.store import StateTable
from agents.lane.writer import Writer, append
from agents.worker import run_worker
from pipeline.wire.position import PARTITION_RECORD, Position, pack_position, unpack_position

GROUP, LOG, OUTPUT, CHANGELOG = "toy", "toy.log", "toy.output", "toy-totals-changelog"
PARTITIONS = 4
SESSION_SECONDS = 4.0
NOBODY_CAN_ADD = b"not a number"
_NUMBER = struct.Struct(">q")


def pack(number: int) -> bytes:
    """A number in the log or the output."""
    return _NUMBER.pack(number)


def unpack(value: bytes) -> int:
    """The number of a log entry, an output, a state, or (the count of keys) a partition's record."""
    number: int = _NUMBER.unpack(value[-_NUMBER.size :])[0]
    return number


def state(next_offset: int, number: int) -> bytes:
    """A value of the changelog."""
    return pack_position(Position(1, next_offset, 0)) + pack(number)


class Step(NamedTuple):
    """What a poll has changed; *states* are encoded, since the fold goes on while they are written."""

    outputs: list[tuple[bytes, bytes]]
    states: dict[bytes, bytes]
    event: Any = None


class Totals:
    """The fold of one partition."""

    def __init__(self, states: dict[bytes, bytes]) -> None:
        record = states.pop(PARTITION_RECORD, None)
        self.next_offset = unpack_position(record).next_offset if record else 0
        self.totals = {key: unpack(value) for key, value in states.items()}
        if record and unpack(record) != len(self.totals):
            stop(
                Exit.ACCOUNTS_DIFFER, f"the record counts {unpack(record)} keys, there are {len(self.totals)}"
            )

    def add(self, records: list[Any]) -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
        """Outputs and states of *records*, of which those the state has seen are skipped."""
        outputs, changed = [], set()
        for record in records:
            if record.offset < self.next_offset:
                continue
            if record.offset > self.next_offset:
                stop(
                    Exit.LOG_HOLE, f"{LOG}[{record.partition}] at {record.offset}, not at {self.next_offset}"
                )
            if record.value == NOBODY_CAN_ADD:
                raise ArithmeticError("an entry nobody can add")
            self.totals[record.key] = self.totals.get(record.key, 0) + unpack(record.value)
            self.next_offset += 1
            outputs.append((record.key, pack(self.totals[record.key])))
            changed.add(record.key)
        return outputs, self.states(changed)

    def states(self, keys: set[bytes]) -> dict[bytes, bytes]:
        """The states of *keys* and the partition's record."""
        states = {key: state(self.next_offset, self.totals[key]) for key in keys}
        return states | {PARTITION_RECORD: state(self.next_offset, len(self.totals))}


class Toy:
    """The app and what it does."""

    def __init__(self, brokers: str, *, slow_seconds: float = 0.0) -> None:
        self.app: LaneApp = make_app(
            GROUP,
            brokers=brokers,
            partitions=PARTITIONS,
            session_seconds=SESSION_SECONDS,
            heartbeat_seconds=0.5,
            commit_seconds=0.2,
        )
        self.table = StateTable(self.app, name="totals", partitions=PARTITIONS)
        self.app.tables.add(self.table)
        self.app.lane.state_offsets = self.state_offsets
        self.writer: Writer[Step] = Writer(self.write)
        self.slow_seconds = slow_seconds

        @self.app.agent(self.app.batches_of(LOG))
        async def total(stream: Any) -> None:
            async for event in stream.noack().events():
                records, partition = self.app.accept(event), event.message.partition
                outputs, states = self.table.store.folds[partition].add(records)
                self.writer.put(partition, Step(outputs, states, event))

    async def state_offsets(self, committed: Mapping[TP, int | None]) -> dict[TP, int]:
        """Build the folds that are missing; then the state says where its log is read on."""
        store = self.table.store
        log = {tp: offset or 0 for tp, offset in committed.items() if tp.topic == LOG}
        for tp in [tp for tp in log if tp.partition in store.recovered]:
            if tp.partition not in store.folds:
                fold = store.folds[tp.partition] = Totals(store.take_states(tp.partition))
                superseded = store.take_superseded(tp.partition) & fold.totals.keys()
                if superseded:
                    self.writer.put(tp.partition, Step([], fold.states(superseded)))
            if store.folds[tp.partition].next_offset < log[tp]:
                stop(Exit.STATE_BEHIND_GROUP, f"{tp}: the group has committed {log[tp]}")
            log[tp] = store.folds[tp.partition].next_offset
        return {tp: offset for tp, offset in log.items() if tp.partition in store.recovered}

    async def write(self, partition: int, steps: list[Step]) -> None:
        """Outputs, then states with the partition's record last, then the acknowledgement."""
        states = {key: value for step in steps for key, value in step.states.items()}
        record = states.pop(PARTITION_RECORD)
        await append(self.app, OUTPUT, partition, [output for step in steps for output in step.outputs])
        await asyncio.sleep(self.slow_seconds)
        records = [*states.items(), (PARTITION_RECORD, record)]
        [batch] = await append(self.app, CHANGELOG, partition, records, one_batch=True)
        self.table.store.appended(TP(CHANGELOG, partition), batch.offset, len(records))
        for step in steps:
            if step.event is not None:
                step.event.ack()


if __name__ == "__main__":
    logging.basicConfig(format="%(name)s %(message)s")
    logging.getLogger("agents").setLevel("INFO")
    sys.exit(run_worker(Toy(sys.argv[1], slow_seconds=float(os.environ.get("SLOW_SECONDS", "0"))).app))
