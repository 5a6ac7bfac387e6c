"""
The lag of a worker's group, for Prometheus: what it owns and has not committed, once a second.

It costs no request: ends come with every fetch, and what was committed we have committed ourselves.
"""

import asyncio

from faust.types import TP

from agents.app import LaneApp
from pipeline import metrics

_EVERY_SECONDS = 1.0


async def tell_lag(app: LaneApp) -> None:
    """Keep the lag of *app*'s partitions told, those of partitions it has given away forgotten, until cancelled."""
    group = app.conf.id
    told: set[TP] = set()
    while True:
        lags = await app.lane_consumer.lags()
        for tp in told - lags.keys():
            metrics.LAG.remove(group, tp.topic, str(tp.partition))
        for tp, records in lags.items():
            metrics.LAG.labels(group, tp.topic, str(tp.partition)).set(records)
        told = set(lags)
        await asyncio.sleep(_EVERY_SECONDS)
