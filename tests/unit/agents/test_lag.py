"""The lag of a worker's group: what it owns and has not committed."""

import asyncio

import pytest
from faust.types import TP

from agents.lag import report_lag
from pipeline import metrics
from tests.unit.agents.lane_in_memory import Lane
from tests.unit.agents.workers_in_memory import until

A, B, EMPTY = TP("log", 0), TP("log", 1), TP("log", 2)


def told(group: str) -> dict[str, float]:
    """Lag of *group* by partition; the process may have told of other groups before."""
    return {
        sample.labels["partition"]: sample.value
        for family in metrics.LAG.collect()
        for sample in family.samples
        if sample.labels["consumergroup"] == group
    }


@pytest.mark.asyncio
async def test_lag_is_what_is_not_committed_of_the_partitions_we_own() -> None:
    """
    Delivered is not done; what was given away is somebody else's to tell; of what was never fetched nothing
    is known.
    """
    lane = Lane(A, B, EMPTY)
    lane.thread.append(A, 5)
    lane.thread.append(B, 2)
    [event, _] = await lane.poll()
    group = lane.app.conf.id
    telling = asyncio.create_task(report_lag(lane.app, every_seconds=0.001))
    await until(lambda: told(group) == {"0": 5, "1": 2})

    lane.ack(event)
    await lane.consumer.commit()
    await until(lambda: told(group) == {"0": 0, "1": 2})

    del lane.thread.records[B]
    await until(lambda: told(group) == {"0": 0})
    telling.cancel()
    metrics.LAG.clear()
