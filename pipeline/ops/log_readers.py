"""Whether the health workers can read what a command would write into the account log."""

from pipeline.kafka.client import Configuration
from pipeline.kafka.records import group_lag
from pipeline.ops.topic_plan import HEALTH_GROUP
from pipeline.wire.contract import Contract
from pipeline.wire.log_version import HealthIsOlder, log_version, version_read


def refuse_older_readers(client: Configuration, contract: Contract) -> None:
    """
    Raise ``HealthIsOlder`` where the group of the health workers has committed offsets and cannot read the
    entries that this release writes; one that never read anything is no hindrance.
    """
    group, version = contract.prefix + HEALTH_GROUP, log_version(contract)
    commits = [lag for lag in group_lag(client, group, [contract.log.name]) if lag.committed is not None]
    oldest = min((version_read(lag.metadata) for lag in commits), default=version)
    if oldest < version:
        raise HealthIsOlder(group, reads=oldest, writes=version)
