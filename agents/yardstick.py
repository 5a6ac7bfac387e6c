"""
The yardstick: the core of ``health`` behind a plain Faust agent, as Faust's documentation teaches to write
one.

It exists only for ``telltale bench``, so that the lane's results have something beside them that was measured
on the same machine, in the same minutes, with the same fold and the same bytes. Nothing of the lane is in it:
one event at a time, one table write an event, one send an output, Faust's own settings. It counts events
twice at a rebalance and cannot go on where it stopped: it folds a log from its beginning, once. Never run it
for anything else.

Two things are in its favour: states stay in memory as objects, where a table alone would have them decoded
and encoded for every event, and it writes no partition record.
"""

import argparse
import tempfile
import time
from typing import Any, Final

import faust

from pipeline.health.fold import PartitionFold
from pipeline.scorecards import read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.outputs import SCORED_AT, OutputEncoder
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import encode_account, position_of

GROUP: Final = "telltale-yardstick"
TABLE: Final = "state"
CHANGELOG: Final = f"{GROUP}-{TABLE}-changelog"
"""The topic Faust keeps the table in, without the prefix."""

_UNLIMITED: Final = 1 << 62
"""A tick is one event, and one event is one step."""


def make_yardstick(contract: Contract, *, brokers: str, partitions: int, data_directory: str) -> faust.App:
    """
    Make the app on *brokers* (``host:port,host:port``); its topics and its group carry the prefix of
    *contract*.

    All settings but those given here are Faust's own. Topics are there already, with the right settings, so
    Faust makes none; nobody looks at its web pages.
    """
    app = faust.App(
        contract.prefix + GROUP,
        broker=[f"kafka://{broker}" for broker in brokers.split(",")],
        value_serializer="raw",  # ours are bytes, and would go through JSON
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        datadir=data_directory,
    )
    registry = EmbeddedRegistry(contract)
    decode, encode = LogCodec(contract, registry).decode, OutputEncoder(contract, registry).encode
    account_log = app.topic(contract.log.name)
    topics = {topic.name: app.topic(topic.name) for topic in contract.outputs}
    table = app.Table(TABLE, key_type=bytes, value_type=bytes, partitions=partitions)
    folds = {partition: PartitionFold(partition, read_documents) for partition in range(partitions)}

    @app.agent(account_log)
    async def health(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            fold, entry = folds[message.partition], decode(event.value)
            fold.take(event.key.decode(), entry, message.offset)
            step, position = fold.take_step(), position_of(fold)
            for account_id, state in step.changed.items():
                table[account_id.encode()] = encode_account(position, state)
            for account_id, output in step.outputs:
                name, value = encode(output)
                await topics[name].send(
                    key=account_id.encode(),
                    value=value,
                    partition=message.partition,
                    headers={SCORED_AT: str(int(time.time() * 1000)).encode()},
                )

    return app


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m agents.yardstick", description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--prefix", default="", help="of the topics and the group")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="telltale-yardstick-") as folder:
        app = make_yardstick(
            Contract.load(chosen.prefix),
            brokers=chosen.brokers,
            partitions=chosen.partitions,
            data_directory=folder,
        )
        faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    _main()
