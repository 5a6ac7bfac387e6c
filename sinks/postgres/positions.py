"""
Who may write which partition, and how far it is stored: the rows of ``sink_offset`` as one sink sees them.

A claim raises the partition's epoch and writes the new owner into its row. Every later transaction locks the
row first and looks whether that still stands, so of two sinks that both believe they own a partition only the
one that claimed it last can write, whatever the group told the other, and however late that one wakes up.

A row that is gone, or stands at an earlier epoch or offset than we left it at, has no other owner: the
database was restored to an earlier state, or an operator set it back. Its other rows went back too, or are to
be read again.
"""

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import uuid4

from sqlalchemy import Connection, Row, Select, bindparam, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from sinks.postgres.tables import sink_offset
from sinks.target import Fenced, Partition, Record, TargetRestored, TopicRecreated

_RESTART: Final = "Start this sink again: it claims what its group gives it and reads on where the rows end."


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """
    One partition of ours: the *epoch* we claimed it with, and the offset up to which we know it to be stored.
    """

    epoch: int
    next_offset: int


Claims: TypeAlias = Mapping[Partition, Claim]


class Positions:
    """The positions of consumer group *group*; every method works inside the caller's transaction."""

    def __init__(self, group: str) -> None:
        self._group = group
        # Not the epoch alone: after a restored backup it would come round again, to another owner.
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

    def claim(
        self, connection: Connection, partitions: Sequence[Partition], topic_ids: Mapping[str, str]
    ) -> Claims:
        """Take *partitions* over. Raises ``TopicRecreated``."""
        for partition, row in self._locked(connection, partitions).items():
            now = topic_ids.get(partition.topic)
            if now and row.topic_id and now != row.topic_id:
                raise TopicRecreated(
                    f"topic {partition.topic} was recreated: its id was {row.topic_id} and is {now}, so the stored "
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
        return {
            Partition(row.topic, row.partition): Claim(epoch=row.owner_epoch, next_offset=row.next_offset)
            for row in connection.execute(claim)
        }

    def held(self, connection: Connection, claims: Claims) -> Claims:
        """
        Lock the rows of *claims* and say where they stand now.

        That is further on than we know where a commit happened of which we did not hear. ``Fenced`` if one
        has another owner, ``TargetRestored`` if one has gone back.
        """
        rows = self._locked(connection, claims)
        for partition, claim in claims.items():
            row = rows.get(partition)
            if row is None:
                raise TargetRestored(f"the position of {partition} is gone from Postgres")
            refuse_restored(partition, row, owner=self._owner, claim=claim)
            refuse_zombie(partition, row, owner=self._owner, epoch=claim.epoch)
        return {
            partition: Claim(epoch=row.owner_epoch, next_offset=row.next_offset)
            for partition, row in rows.items()
        }

    def advance(self, connection: Connection, claims: Claims, batch: Iterable[Record]) -> Claims:
        """
        Move the partitions of *batch* behind its last records, and say where they will stand after the
        commit.

        Raises what ``held`` does, and ``Fenced`` for a partition that is further on than the batch begins.
        """
        first: dict[Partition, int] = {}
        following: dict[Partition, int] = {}
        for record in batch:
            first.setdefault(record.partition, record.offset)
            following[record.partition] = record.offset + 1
        held = self.held(connection, {partition: claims[partition] for partition in first})
        for partition, offset in first.items():
            # The batch may begin further on than we know: compaction and transaction markers leave gaps.
            if held[partition].next_offset > offset:
                raise Fenced(
                    f"{partition} is stored up to offset {held[partition].next_offset}, and the batch begins at {offset}",
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
        return {
            partition: Claim(epoch=held[partition].epoch, next_offset=offset)
            for partition, offset in following.items()
        }

    def rewind(self, connection: Connection, topic: str) -> int:
        """
        Have *topic* read again from its start, whichever topic id it is of; how many partitions that
        concerns.

        The owner's claim stands: it notices that the positions have gone back, and begins there.
        """
        back = (
            update(sink_offset)
            .where(sink_offset.c.consumer_group == self._group, sink_offset.c.topic == topic)
            .values(next_offset=0, topic_id=None, updated_at=func.clock_timestamp())
        )
        return connection.execute(back).rowcount

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
            f"`telltale sink rewind {topic}` has it read from its start, repeats change nothing; then start the sink "
            "again."
        )


def refuse_restored(partition: Partition, row: Row[Any], *, owner: str, claim: Claim) -> None:
    """Raise ``TargetRestored`` if *row* stands further back than *claim*, and nobody has claimed it since."""
    ours = (row.owner, row.owner_epoch) == (owner, claim.epoch)
    if row.owner_epoch < claim.epoch or (ours and row.next_offset < claim.next_offset):
        raise TargetRestored(
            f"{partition} stands at offset {row.next_offset} (epoch {row.owner_epoch}) in Postgres, and was stored up "
            f"to {claim.next_offset} (epoch {claim.epoch}): it was set back to an earlier state"
        )


def refuse_zombie(partition: Partition, row: Row[Any], *, owner: str, epoch: int) -> None:
    """Raise ``Fenced`` unless *row* still names *owner* and *epoch*."""
    if (row.owner, row.owner_epoch) != (owner, epoch):
        raise Fenced(
            f"{partition} was taken over by {row.owner} (epoch {row.owner_epoch}, ours was {epoch}); nothing was stored",
            hint=_RESTART,
        )
