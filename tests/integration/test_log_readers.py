"""
An intake writes only what the health workers of its group can read; they say what that is where they commit.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from agents.app import make_app
from agents.health import HealthWorker
from agents.input_progress import partitions_of
from agents.log_readers import ReadersUnknown, oldest_reader, refuse_older, wait_for_readers
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.ops.log_readers import refuse_older_readers
from pipeline.ops.topic_plan import HEALTH_GROUP
from pipeline.settings import Settings
from pipeline.wire.contract import Contract
from pipeline.wire.log_version import HealthIsOlder, log_version, reads_up_to
from pipeline.wire.registry import EmbeddedRegistry
from tests.integration.killed_worker import PARTITIONS

CONTRACT = Contract.load()
GROUP = "telltale-health"
LOG = CONTRACT.log.name

pytestmark = pytest.mark.asyncio(loop_scope="module")


def newer(prefix: str = "") -> Contract:
    """The contract of a release that writes entries which this one cannot read."""
    versions = {**CONTRACT.versions, "log_entry": (*CONTRACT.versions["log_entry"], {"type": "record"})}
    return replace(Contract.load(prefix), versions=versions)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def broker() -> AsyncIterator[EmbeddedBroker]:
    with EmbeddedBroker() as broker:
        broker.create_topics(topic.name for topic in CONTRACT.topics.values())
        broker.create_topics([f"{GROUP}-state-changelog"])
        yield broker


async def commit(broker: EmbeddedBroker, group: str, *metadata: str, topic: str = LOG) -> None:
    """Commit offset 5 of a partition for each of *metadata*, as a worker of some release does."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(len(metadata))]
    consumer.assign(partitions)
    said = zip(partitions, metadata, strict=True)
    await consumer.commit({tp: OffsetAndMetadata(5, text) for tp, text in said})
    await consumer.stop()


async def asked(broker: EmbeddedBroker, contract: Contract, group: str) -> None:
    await wait_for_readers(contract, group, {"bootstrap_servers": broker.bootstrap}, seconds=0)


async def test_where_nobody_has_read_anything_everything_may_be_written(broker: EmbeddedBroker) -> None:
    """A new installation has no health worker yet."""
    await asked(broker, newer(), "nobody")


@pytest.mark.parametrize("metadata", [("", ""), ("reads-log=2", "")], ids=["before", "in part"])
async def test_an_older_group_is_refused_with_what_to_do(
    broker: EmbeddedBroker, metadata: tuple[str, ...]
) -> None:
    """Release 1e00a40 left no word; one partition that an older worker still has is enough."""
    group = f"older-{len(''.join(metadata))}"
    await commit(broker, group, *metadata)

    with pytest.raises(
        HealthIsOlder, match=f"{group} read the account log up to version 1, .* version 2"
    ) as refused:
        await asked(broker, newer(), group)
    assert "Upgrade and start the health workers first" in refused.value.hint
    await asked(broker, CONTRACT, group)


@pytest.mark.parametrize(("metadata", "refused"), [((), False), (("",), True), (("reads-log=2",), False)])
async def test_commands_that_write_to_the_log_ask_the_health_workers_too(
    broker: EmbeddedBroker, metadata: tuple[str, ...], *, refused: bool
) -> None:
    """Scorecards and history end an older health worker as an event does."""
    contract = newer(f"commands-{len(metadata)}-{len(''.join(metadata))}.")
    broker.create_topics([contract.log.name])
    if metadata:
        await commit(broker, f"{contract.prefix}{HEALTH_GROUP}", *metadata, topic=contract.log.name)
    settings = Settings(brokers=broker.bootstrap, topic_prefix=contract.prefix)

    with pytest.raises(HealthIsOlder) if refused else nullcontext():
        await asyncio.to_thread(refuse_older_readers, settings, contract)


async def test_a_command_gives_up_on_a_broker_that_does_not_tell() -> None:
    """Rather than write what may end the workers."""
    with EmbeddedBroker() as broker:
        connection = {"bootstrap_servers": broker.bootstrap}

    with pytest.raises(ReadersUnknown, match="the group nobody has committed cannot be told"):
        await refuse_older(CONTRACT, "nobody", connection, seconds=0)


async def test_an_upgraded_group_may_be_written_to(broker: EmbeddedBroker) -> None:
    """Of any later version."""
    await commit(broker, "upgraded", reads_up_to(2), reads_up_to(3))

    await asked(broker, newer(), "upgraded")


async def test_a_health_worker_says_what_it_reads_before_there_is_an_entry(broker: EmbeddedBroker) -> None:
    """Or intake and health would wait for each other."""
    app = make_app(GROUP, brokers=broker.bootstrap, partitions=PARTITIONS, heartbeat_seconds=0.5)
    worker = HealthWorker(app, contract=CONTRACT, registry=EmbeddedRegistry(CONTRACT), log_topic_id=str)
    async with worker.prepared():
        await app.start()
        await app.stop()
        await worker._writer.close()

    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    committed = await client.list_consumer_group_offsets(GROUP, partitions=await partitions_of(client, [LOG]))
    await client.close()

    assert len(committed) == PARTITIONS
    assert oldest_reader(committed) == log_version(CONTRACT)


async def test_a_broker_that_cannot_tell_is_asked_again() -> None:
    """The coordinator of a group that is new on a new cluster is away for some seconds."""
    with EmbeddedBroker() as broker:
        address = broker.bootstrap
    asking = asyncio.create_task(
        wait_for_readers(CONTRACT, "nobody", {"bootstrap_servers": address}, seconds=0)
    )
    done, _ = await asyncio.wait({asking}, timeout=2)
    asking.cancel()

    assert not done
