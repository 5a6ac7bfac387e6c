"""
Which entries of the account log the health workers can read: they say so beside each offset they commit.

An intake asks before it writes its first entry. What a release cannot read would end its health workers, and
the log has no way back; so health is upgraded first, and an intake that is ahead of it waits a while and then
refuses (docs/upgrade.md).

    TelltaleError
    └── HealthIsOlder    the group's health workers cannot read what this intake would write
"""

import asyncio
import re
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

log = structlog.get_logger(__name__)

_ASK_AGAIN_SECONDS: Final = 1.0
_WITHOUT_A_WORD: Final = 1
"""What a commit without our metadata says: the release of before could read the first version of the log."""


class HealthIsOlder(TelltaleError):  # noqa: N818 - reads as what happened
    """The group's health workers cannot read what this intake would write."""


def log_version(contract: Contract) -> int:
    """The version of the log's schema that this release writes, and up to which it reads; from 1."""
    assert contract.log.schema is not None
    return len(contract.versions[contract.log.schema])


def reads_up_to(version: int) -> str:
    """Metadata of the commits of a health worker that reads the log up to *version*."""
    return f"reads-log={version}"


def oldest_reader(commits: Mapping[Any, OffsetAndMetadata]) -> int | None:
    """The version up to which all who committed can read; None if nobody has committed anything."""
    said = [
        re.fullmatch(r"reads-log=(\d+)", commit.metadata or "")
        for commit in commits.values()
        if commit.offset >= 0
    ]
    return min([int(match[1]) if match else _WITHOUT_A_WORD for match in said], default=None)


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
                raise HealthIsOlder(
                    f"the health workers of group {group} read the account log up to version {oldest}, this"
                    f" intake writes version {version}",
                    hint="Upgrade and start the health workers first, then the intake: docs/upgrade.md.",
                )
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
