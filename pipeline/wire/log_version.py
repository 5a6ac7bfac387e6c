"""
Which versions of the log's schema a health worker can read, as it says beside each offset that it commits.

What a release cannot read would end its health workers, and the log has no way back: whoever writes to the
log asks first (docs/upgrade.md).

    TelltaleError
    └── HealthIsOlder    the group's health workers cannot read what would be written
"""

import re
from typing import Final

from pipeline.errors import TelltaleError
from pipeline.wire.contract import Contract

_WITHOUT_A_WORD: Final = 1
"""What a commit without our metadata says: the release of before could read the first version of the log."""


class HealthIsOlder(TelltaleError):  # noqa: N818 - reads as what happened
    """The health workers of *group* read the log up to version *reads*, and *writes* would be written."""

    def __init__(self, group: str, *, reads: int, writes: int) -> None:
        super().__init__(
            f"the health workers of group {group} read the account log up to version {reads}, this release"
            f" writes version {writes}",
            hint="Upgrade and start the health workers first: docs/upgrade.md.",
        )


def log_version(contract: Contract) -> int:
    """The version of the log's schema that this release writes, and up to which it reads; from 1."""
    assert contract.log.schema is not None
    return len(contract.versions[contract.log.schema])


def reads_up_to(version: int) -> str:
    """Metadata of the commits of a health worker that reads the log up to *version*."""
    return f"reads-log={version}"


def version_read(metadata: str | None) -> int:
    """The version up to which a worker reads that commits with *metadata*."""
    match = re.fullmatch(r"reads-log=(\d+)", metadata or "")
    return int(match[1]) if match else _WITHOUT_A_WORD
