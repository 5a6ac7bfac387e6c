"""
Who may write which partition, and how far it is stored: the rows of ``sink_offset`` as one sink sees them.

A claim raises the partition's epoch and writes the new owner into its row. Every later transaction locks the row
first and looks whether that still stands, so of two sinks that both believe they own a partition only the one that
claimed it last can write, whatever the group told the other, and however late that one wakes up.
"""

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from sinks.postgres.tables import sink_offset
from sinks.target import Fenced, Partition, Record, TopicRecreated

_RESTART: Final = "Start this sink again: it claims what its group gives it and reads on where the rows end."

Epochs: TypeAlias = Mapping[Partition, int]
"""What a sink has claimed, each with the epoch of the claim."""


class Positions:
    """The positions of consumer group *group*; every method works inside the caller's transaction."""

    def __init__(self, group: str) -> None:
        self._group = group
        # Not the epoch alone: after a restored backup it would come round again, to another owner.
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def claim(
        self, connection: Connection, partitions: Sequence[Partition], topic_ids: Mapping[str, str]
    ) -> tuple[Epochs, Mapping[Partition, int]]:
        """Take *partitions* over; gives the epochs, and where to read on. Raises ``TopicRecreated``."""
        for partition, row in self._locked(connection, partitions).items():
            now = topic_ids.get(partition.topic)
            if now and row.topic_id and now != row.topic_id:
                raise TopicRecreated(
                    f"topic {partition.topic} was made anew: its id was {row.topic_id} and is {now}, so the stored "
                    "positions mean nothing in it",
                    hint=self.way_back(partition.topic),
                )
        rows = [
            {
                "consumer_group": self._group,
                "topic": partition.topic,
                "partition": partition.number,
                "next_offset": 0,
                "owner_epoch": 1,
                "owner": self._owner,
                "topic_id": topic_ids.get(partition.topic),
            }
            for partition in sorted(partitions)
        ]
        new = insert(sink_offset).values(rows)
        claim = new.on_conflict_do_update(
            index_elements=[sink_offset.c.consumer_group, sink_offset.c.topic, sink_offset.c.partition],
            set_={
                "owner_epoch": sink_offset.c.owner_epoch + 1,
                "owner": new.excluded.owner,
                "topic_id": func.coalesce(new.excluded.topic_id, sink_offset.c.topic_id),
                "updated_at": func.clock_timestamp(),
            },
        ).returning(sink_offset)
        claimed = {Partition(row.topic, row.partition): row for row in connection.execute(claim)}
        return (
            {partition: row.owner_epoch for partition, row in claimed.items()},
            {partition: row.next_offset for partition, row in claimed.items()},
        )

    def held(self, connection: Connection, epochs: Epochs) -> Mapping[Partition, int]:
        """Lock the rows of what was claimed and say where each stands; ``Fenced`` if one has another owner."""
        rows = self._locked(connection, epochs)
        for partition, epoch in epochs.items():
            refuse_zombie(partition, rows.get(partition), owner=self._owner, epoch=epoch)
        return {partition: row.next_offset for partition, row in rows.items()}

    def advance(self, connection: Connection, epochs: Epochs, batch: Iterable[Record]) -> None:
        """Move the partitions of *batch* behind its last records; ``Fenced`` if one is not ours, or further on."""
        first: dict[Partition, int] = {}
        following: dict[Partition, int] = {}
        for record in batch:
            first.setdefault(record.partition, record.offset)
            following[record.partition] = record.offset + 1
        held = self.held(connection, {partition: epochs[partition] for partition in first})
        for partition, offset in first.items():
            # Further back is right: compaction and transaction markers leave gaps.
            if held[partition] > offset:
                raise Fenced(
                    f"{partition} is stored up to offset {held[partition]}, and the batch begins at {offset}",
                    hint=_RESTART,
                )
        connection.execute(
            update(sink_offset)
            .where(
                sink_offset.c.consumer_group == self._group,
                sink_offset.c.topic == bindparam("of_topic"),
                sink_offset.c.partition == bindparam("of_partition"),
            )
            .values(next_offset=bindparam("following"), updated_at=func.clock_timestamp()),
            [
                {"of_topic": partition.topic, "of_partition": partition.number, "following": offset}
                for partition, offset in following.items()
            ],
        )

    def _locked(self, connection: Connection, partitions: Iterable[Partition]) -> dict[Partition, Row[Any]]:
        rows: Select[Any] = (
            select(sink_offset)
            .where(
                sink_offset.c.consumer_group == self._group,
                tuple_(sink_offset.c.topic, sink_offset.c.partition).in_(partitions),
            )
            .order_by(sink_offset.c.topic, sink_offset.c.partition)  # The order of locks, against deadlocks.
            .with_for_update()
        )
        return {Partition(row.topic, row.partition): row for row in connection.execute(rows)}

    def way_back(self, topic: str) -> str:
        """How an operator has *topic* read from its start."""
        return (
            "To read it from its start, delete its rows from sink_offset "
            f"(consumer_group {self._group}, topic {topic}) and start again: repeats change nothing."
        )


def refuse_zombie(partition: Partition, row: Row[Any] | None, *, owner: str, epoch: int) -> None:
    """Raise ``Fenced`` unless *row* still names *owner* and *epoch*."""
    if row is None:
        raise Fenced(f"the position of {partition} was deleted while this sink owned it", hint=_RESTART)
    if (row.owner, row.owner_epoch) != (owner, epoch):
        raise Fenced(
            f"{partition} was taken over by {row.owner} (epoch {row.owner_epoch}, ours was {epoch}); nothing was stored",
            hint=_RESTART,
        )
