"""
Records that could not be stored: quarantined as received, in the transaction that moves the position over
them.

So none is lost and none is there twice, whatever dies. Many at once are no longer single records' fault: a
worker writes rubbish, or the tables were changed, and then the sink stops where it stands.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from sinks.postgres.rows import Rejection, storable_text
from sinks.postgres.tables import sink_rejected
from sinks.target import RejectedFlood

MOST_REJECTED: Final = 100
AMONG_OFFSETS: Final = 200
"""More than ``MOST_REJECTED`` among so many last offsets of a partition are a flood."""


class RejectedRecords:
    """The rejected records of consumer group *group*; with *accept_flood* they may be any number."""

    def __init__(self, group: str, *, accept_flood: bool = False) -> None:
        self._group = group
        self._accept_flood = accept_flood

    def quarantined(
        self, connection: Connection, rejections: Sequence[Rejection], topic_ids: Mapping[str, str]
    ) -> None:
        """Keep *rejections*, those of a partition in order of offset; raises ``RejectedFlood``."""
        connection.execute(
            # A topic that is read again brings them again: what is there stays, with the time it was seen
            # first.
            insert(sink_rejected).on_conflict_do_nothing(),
            [
                {
                    "consumer_group": self._group,
                    "topic": rejection.record.partition.topic,
                    "topic_id": topic_ids.get(rejection.record.partition.topic, ""),
                    "partition": rejection.record.partition.number,
                    "record_offset": rejection.record.offset,
                    "timestamp": rejection.record.timestamp,
                    "key": rejection.record.key,
                    "value": rejection.record.value,
                    "headers": json.dumps(
                        [
                            (storable_text(name), None if value is None else value.hex())
                            for name, value in rejection.record.headers
                        ]
                    ),
                    "code": rejection.code,
                    "detail": rejection.detail,
                }
                for rejection in rejections
            ],
        )
        if not self._accept_flood:
            for last in {rejection.record.partition: rejection for rejection in rejections}.values():
                self._refuse_flood(connection, last)

    def _refuse_flood(self, connection: Connection, newest: Rejection) -> None:
        # Counted in the table, so that a sink which is started again and again does not begin at none each
        # time.
        partition, offset = newest.record.partition, newest.record.offset
        among = select(func.count()).where(
            sink_rejected.c.consumer_group == self._group,
            sink_rejected.c.topic == partition.topic,
            sink_rejected.c.partition == partition.number,
            sink_rejected.c.record_offset.between(offset - AMONG_OFFSETS + 1, offset),
        )
        if connection.scalars(among).one() > MOST_REJECTED:
            raise RejectedFlood(
                f"more than {MOST_REJECTED} of {AMONG_OFFSETS} records of {partition} up to offset {offset} cannot be "
                f"stored, the last because: {newest.detail}",
                hint="Look at `telltale sink rejected`, and at what was changed last: a worker, the tables. Then start "
                "the sink again; with --accept-flood if they are to be quarantined all the same.",
            )
