"""
`telltale verify` holds the records and rows of one partition at a time, however many partitions there are.
"""

import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

from pipeline.audit.audit import Audit
from pipeline.audit.differences import Findings
from pipeline.embedded.broker import PARTITIONS_PER_TOPIC
from sinks.postgres.stored import RowReader
from sinks.postgres.writer import PostgresTarget
from tests.integration.postgres_sink_parts import CHANGE, CONTRACT, PARTITIONS, REGISTRY, change, record
from tests.integration.worker_log import AccountLog

CHANGES = 1_000
"""Of the one account of a partition; none follows from the log, which is empty, so each is a difference."""


@dataclass
class Counted:
    """What a run tells on the way."""

    total: int = 0
    done: int = 0

    def begin(self, total: int) -> None:
        self.total = total

    def advance(self, count: int) -> None:
        self.done += count


def fill(log: AccountLog, sink: PostgresTarget, partitions: Iterable[int], offsets: "count[int]") -> None:
    """Write as many changes into each of the *partitions*, and the rows of them."""
    for partition in partitions:
        written = [
            record(change(f"account-{partition}", version=version + 1), offset=next(offsets))
            for version in range(CHANGES)
        ]
        for each in written:
            log.send(CHANGE, each.value, each.key, partition)
        log.flush()
        sink.write(written)


def peak_of_a_run(log: AccountLog, dsn: str) -> tuple[int, Findings, Counted]:
    """Most bytes that Python held during a run."""
    findings, counted = Findings(), Counted()
    with RowReader(dsn, group="sink") as rows:
        audit = Audit(
            client=log.client,
            contract=CONTRACT,
            registry=REGISTRY,
            rows=rows,
            report=lambda _: None,
            say=lambda _: None,
            progress=counted,
        )
        tracemalloc.start()
        audit.run(None, findings)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak, findings, counted


def test_the_peak_is_that_of_one_partition(broker: str, sink: PostgresTarget, migrated: str) -> None:
    """
    Four partitions, each as full as the first was alone, and the peak hardly moves.

    ``first run    |#### |     |     |     |``
    ``second run   |#### |#### |#### |#### |``
    """
    log, offsets = AccountLog(broker), count()
    sink.claim(PARTITIONS, {})
    fill(log, sink, [0], offsets)
    peak_of_a_run(log, migrated)  # What is loaded once is loaded.
    one, found_in_one, _ = peak_of_a_run(log, migrated)

    fill(log, sink, range(1, PARTITIONS_PER_TOPIC), offsets)
    all_of_them, found, counted = peak_of_a_run(log, migrated)

    assert found.fields == PARTITIONS_PER_TOPIC * found_in_one.fields == PARTITIONS_PER_TOPIC * 2 * CHANGES
    assert all_of_them < 1.25 * one
    assert found.differences == [], "each partition's are handed over"
    assert counted == replace(counted, total=PARTITIONS_PER_TOPIC * CHANGES, done=counted.total)
