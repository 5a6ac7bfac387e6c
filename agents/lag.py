"""
The lag of a worker's group, for Prometheus: what it owns and has not committed, once a second.

It costs no request: ends come with every fetch, and what was committed we have committed ourselves. While no
broker answers nobody knows the ends, so nothing is told: the last value would go on saying that all is read.
"""

import asyncio

from faust.types import TP

from agents.app import LaneApp
from pipeline import metrics


async def report_lag(app: LaneApp, *, every_seconds: float = 1.0) -> None:
    """
    Report the lag of *app*'s partitions until cancelled.

    What it has given away is forgotten, and so is everything while no broker answers.
    """
    group = app.conf.id
    told: set[TP] = set()
    while True:
        lags = {} if app.broker_away else await app.lane_consumer.lags()
        for tp in told - lags.keys():
            metrics.LAG.remove(group, tp.topic, str(tp.partition))
        for tp, records in lags.items():
            metrics.LAG.labels(group, tp.topic, str(tp.partition)).set(records)
        told = set(lags)
        await asyncio.sleep(every_seconds)
