"""
The intake waits until the health workers can read what it writes: they say so beside each offset they commit.

An intake asks before it writes its first entry. Health is upgraded first, and an intake that is ahead of it
waits a while and then refuses (docs/upgrade.md).
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from agents.input_progress import partitions_of
from pipeline.wire.contract import Contract
from pipeline.wire.log_version import HealthIsOlder, log_version, version_read

log = structlog.get_logger(__name__)

_ASK_AGAIN_SECONDS: Final = 1.0


def oldest_reader(commits: Mapping[Any, OffsetAndMetadata]) -> int | None:
    """The version up to which all who committed can read; None if nobody has committed anything."""
    read = [version_read(commit.metadata) for commit in commits.values() if commit.offset >= 0]
    return min(read, default=None)


async def wait_for_readers(
    contract: Contract, group: str, connection: Mapping[str, Any], *, seconds: float
) -> None:
    """
    Return when *group*, that of the health workers, can read what this release writes, or has never read
    anything. A broker that cannot tell, because it has just started, is asked again.

    Raises ``HealthIsOlder`` after *seconds*, in which an upgraded worker may start and say so.
    """
    version, deadline = log_version(contract), time.monotonic() + seconds
    while True:
        try:
            oldest = oldest_reader(await _commits(contract.log.name, group, connection))
        except (KafkaError, OSError) as exc:
            log.warning("readers.unknown", group=group, reason=repr(exc), hint="asks again by itself")
        else:
            if oldest is None or oldest >= version:
                return
            if time.monotonic() > deadline:
                raise HealthIsOlder(group, reads=oldest, writes=version)
            log.warning(
                "health.older", group=group, reads=oldest, writes=version, hint="waits for its upgrade"
            )
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def _commits(topic: str, group: str, connection: Mapping[str, Any]) -> Mapping[Any, OffsetAndMetadata]:
    """What *group* has committed of *topic*."""
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        partitions = await partitions_of(admin, [topic])
        return dict(await admin.list_consumer_group_offsets(group, partitions=partitions))
    finally:
        await admin.close()
