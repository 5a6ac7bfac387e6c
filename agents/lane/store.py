"""
State per partition, as its changelog has it: key bytes to value bytes, the highest position of each key.

Faust's recovery reads the changelog into it. What the bytes mean is the agent's, and so is every write: a
step goes out through ``writer`` and is reported back with ``appended``.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import faust
from faust.stores.base import Store
from faust.types import TP, AppT, EventT

from agents.lane.fences import Exit, stop
from pipeline.wire.position import EPOCH_MARK, POSITION_SIZE


class StateStore(Store[bytes, bytes]):
    """
    The states of all partitions this worker owns.

    *folds* holds whatever the agent has built from a partition's states; a fold goes when its partition goes.
    *superseded* names keys whose newest record is not their highest position: written by somebody who had
    lost the partition, to be written again first thing. *recovered* are the partitions whose changelog is
    read to its end.
    """

    logger = logging.getLogger("faust.lane")  # what Faust says of its own doings

    def __post_init__(self) -> None:
        self.states: defaultdict[int, dict[bytes, bytes]] = defaultdict(dict)
        self.folds: dict[int, Any] = {}
        self.superseded: defaultdict[int, set[bytes]] = defaultdict(set)
        self.recovered: set[int] = set()
        self._tombstones: dict[int, str] = {}
        self._last_offsets: dict[TP, int] = {}
        self._generation = 0

    # -- what the agent uses

    def take_states(self, partition: int) -> dict[bytes, bytes]:
        """Hand over the states of *partition* and forget them; the fold built from them goes to ``folds``."""
        return self.states.pop(partition, {})

    def take_superseded(self, partition: int) -> set[bytes]:
        """Hand over the keys of *partition* that must be written again, and forget them."""
        return self.superseded.pop(partition, set())

    def appended(self, tp: TP, base_offset: int, count: int) -> None:
        """
        Note a batch of *count* records that the changelog partition *tp* has taken at *base_offset*.

        Ends the process if it does not follow our last one: then another worker writes to this partition.
        """
        last = self._last_offsets.get(tp, -1)
        if base_offset != last + 1:
            stop(
                Exit.FOREIGN_APPEND,
                f"{tp.topic}[{tp.partition}]: our batch is at {base_offset}, the last offset was {last}",
            )
        self._last_offsets[tp] = base_offset + count - 1

    # -- recovery

    def apply(self, tp: TP, records: Sequence[Any]) -> None:
        """
        Take changelog *records* of *tp*, in offset order; those at or below the last offset known are
        skipped.

        A fold is deterministic, so of two values of a key the one with the higher position is right, whoever
        wrote it and whichever came last. Ends the process at a record behind the fold of a partition that we
        have kept all along, and, once all is read, if there was a tombstone that no rebuild has made up for.
        """
        partition, last = tp.partition, self._last_offsets.get(tp, -1)
        if records[-1].offset > last and partition in self.folds:
            stop(
                Exit.FOREIGN_APPEND,
                f"{tp.topic}[{partition}]: somebody has written behind {last}, while it was ours",
            )
        states, superseded = self.states[partition], self.superseded[partition]
        for record in records:
            key, value = record.key, record.value
            if record.offset <= last:
                continue
            if value is None:
                self._tombstones[partition] = f"{tp.topic}[{partition}] offset {record.offset}, key {key!r}"
                continue
            if key == EPOCH_MARK:  # A rebuild writes every key again: what was deleted before counts no more.
                self._tombstones.pop(partition, None)
            known = states.get(key)
            if known is None or value[:POSITION_SIZE] >= known[:POSITION_SIZE]:
                states[key] = value
                superseded.discard(key)
            else:
                superseded.add(key)
        self._last_offsets[tp] = max(last, records[-1].offset)

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], bytes], to_value: Callable[[Any], bytes]
    ) -> None:
        """Do nothing: the consumer has called ``apply`` when the records arrived."""

    def persisted_offset(self, tp: TP) -> int:
        """Last offset applied, -1 for none."""
        # Never None: Faust's recovery would go on from where another generation stood.
        return self._last_offsets.get(tp, -1)

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Do nothing: offsets are noted by ``apply`` and ``appended``."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:  # noqa: ARG002 - no standbys
        """
        Name the partitions that are whole from here on; the process ends if one has lost a key to a
        tombstone.
        """
        self.recovered = {tp.partition for tp in active_tps}
        for partition in self.recovered & self._tombstones.keys():
            stop(Exit.TOMBSTONE, self._tombstones[partition])

    async def on_rebalance(
        self,
        assigned: set[TP],  # noqa: ARG002 - recovery reads what is new
        revoked: set[TP],
        newly_assigned: set[TP],  # noqa: ARG002
        generation_id: int = 0,
    ) -> None:
        """Drop what was revoked; drop all if the group has had a generation without us."""
        self.recovered = set()
        if generation_id != self._generation + 1:
            self.reset_state()
        self._generation = generation_id
        for tp in revoked:
            if tp.topic == self.table.changelog_topic.get_topic_name():
                self._last_offsets.pop(tp, None)
                for known in (self.states, self.folds, self.superseded, self._tombstones):
                    known.pop(tp.partition, None)

    def reset_state(self) -> None:
        """Forget everything; recovery reads it again."""
        for known in (self.states, self.folds, self.superseded, self._tombstones, self._last_offsets):
            known.clear()

    # -- the mapping that Faust takes a store for; the agent works on ``folds``

    def __getitem__(self, key: bytes) -> bytes:
        for states in self.states.values():
            if key in states:
                return states[key]
        raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        for states in self.states.values():
            yield from states

    def __len__(self) -> int:
        return sum(map(len, self.states.values()))

    def __contains__(self, key: object) -> bool:
        return any(key in states for states in self.states.values())

    def __setitem__(self, key: bytes, value: bytes) -> NoReturn:
        raise TypeError(
            "state is written in steps: append it to the changelog, then tell the store with appended()"
        )

    def __delitem__(self, key: bytes) -> NoReturn:
        raise TypeError("state is never deleted: a tombstone carries no position")

    async def backup_partition(
        self,
        tp: TP | int,
        flush: bool = True,  # noqa: FBT001, FBT002 - as declared by Faust
        purge: bool = False,  # noqa: FBT001, FBT002
        keep: int = 1,
    ) -> NoReturn:
        """Nothing is on disk."""
        raise NotImplementedError("the changelog is the only copy of the state")

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> NoReturn:  # noqa: FBT001, FBT002 - as declared by Faust
        """Nothing is on disk."""
        raise NotImplementedError("the changelog is the only copy of the state")


class StateTable(faust.Table[bytes, bytes]):
    """
    A Faust table on a ``StateStore``; add it with ``app.tables.add``.

    The changelog is *changelog_topic*, or Faust's ``<app>-<name>-changelog``.
    """

    logger = logging.getLogger("faust.lane")  # what Faust says of its own doings

    def __init__(self, app: AppT, *, name: str, partitions: int, changelog_topic: Any = None) -> None:
        super().__init__(
            app,
            name=name,
            partitions=partitions,
            changelog_topic=changelog_topic,
            key_type=bytes,
            value_type=bytes,
        )

    @property
    def store(self) -> StateStore:
        """The states, as recovered."""
        store = self.data
        assert isinstance(store, StateStore)
        return store

    def info(self) -> Mapping[str, Any]:
        """What Faust needs to make the same table again."""
        return {
            "app": self.app,
            "name": self.name,
            "partitions": self.partitions,
            "changelog_topic": self._changelog_topic,
        }

    def _new_store(self) -> StateStore:
        return StateStore("memory://", self.app, self, table_name=self.name)
