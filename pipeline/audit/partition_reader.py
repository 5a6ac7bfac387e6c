"""What the topics hold of one partition, read record by record and counted on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Record, read_topic

_COUNTED_AT_ONCE: Final = 500

Spans: TypeAlias = Mapping[tuple[str, int], tuple[int, int]]
"""First and next offset by topic and partition, as they were when the run began."""


class Progress(Protocol):
    """Whoever shows how far the reading is."""

    def begin(self, total: int) -> None:
        """So many records are to be read."""

    def advance(self, count: int) -> None:
        """So many more were read."""


@dataclass(frozen=True, slots=True)
class PartitionReader:
    """
    Reads *partition* of topics to their present ends; *progress* counts offsets, up to the ends in *spans*.
    """

    client: Configuration
    partition: int
    spans: Spans
    progress: Progress | None = None

    def first(self, topic: str) -> int:
        """The first offset *topic* had when the run began; above 0 where retention has deleted records."""
        return self.spans[topic, self.partition][0]

    def records(self, topic: str) -> Iterator[Record]:
        """Every record of the partition in order."""
        counted, end = self.spans[topic, self.partition]
        for record in read_topic(self.client, topic, start={self.partition: 0}):
            yield record
            if min(record.offset, end) >= counted + _COUNTED_AT_ONCE:
                self._count(min(record.offset, end) - counted)
                counted = min(record.offset, end)
        self._count(end - counted)

    def _count(self, records: int) -> None:
        if self.progress is not None:
            self.progress.advance(records)
