"""
The intake waits until the health workers can read what it writes: they say so beside each offset they commit.

An intake asks before it writes its first entry. Health is upgraded first, and an intake that is ahead of it
waits a while and then refuses (docs/upgrade.md). A command that writes to the log refuses at once.

    TelltaleError
    └── ReadersUnknown    the broker does not tell what the health workers have committed
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
from pipeline.errors import TelltaleError
from pipeline.wire.contract import Contract
from pipeline.wire.log_version import HealthIsOlder, log_version, version_read

log = structlog.get_logger(__name__)

_ASK_AGAIN_SECONDS: Final = 1.0


class ReadersUnknown(TelltaleError):  # noqa: N818 - reads as what happened
    """The broker does not tell what the health workers have committed."""


def oldest_reader(commits: Mapping[Any, OffsetAndMetadata]) -> int | None:
    """The version up to which all who committed can read; None if nobody has committed anything."""
    read = [version_read(commit.metadata) for commit in commits.values() if commit.offset >= 0]
    return min(read, default=None)


async def committed_by(
    group: str, topic: str, connection: Mapping[str, Any]
) -> Mapping[Any, OffsetAndMetadata]:
    """What *group* has committed of *topic*, by partition. Raises aiokafka's errors."""
    # Not by confluent-kafka, which does not see where the text beside an offset ends.
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        partitions = await partitions_of(admin, [topic])
        return dict(await admin.list_consumer_group_offsets(group, partitions=partitions))
    finally:
        await admin.close()


async def refuse_older(
    contract: Contract, group: str, connection: Mapping[str, Any], *, seconds: float
) -> None:
    """
    Raise ``HealthIsOlder`` if *group*, that of the health workers, cannot read what this release writes.

    Raises ``ReadersUnknown`` if the broker cannot tell: at once where it will not, else after *seconds*.
    """
    version, deadline = log_version(contract), time.monotonic() + seconds
    while True:
        try:
            oldest = oldest_reader(await committed_by(group, contract.log.name, connection))
        except (KafkaError, OSError) as exc:
            passing = isinstance(exc, OSError) or exc.retriable
            if not passing or time.monotonic() > deadline:
                raise ReadersUnknown(f"what the group {group} has committed cannot be told: {exc!r}") from exc
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        else:
            if oldest is not None and oldest < version:
                raise HealthIsOlder(group, reads=oldest, writes=version)
            return


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
            oldest = oldest_reader(await committed_by(group, contract.log.name, connection))
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
