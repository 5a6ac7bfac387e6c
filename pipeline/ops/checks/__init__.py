"""
What ``telltale doctor`` looks at: a file a check, and a line in ``CHECKS``. A check looks and changes
nothing.

What it raises as an error for people is its finding too.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.ops.checks.check import Check
from pipeline.ops.checks.check_broker import check_broker
from pipeline.ops.checks.check_database import check_database
from pipeline.ops.checks.check_dead_letters import check_dead_letters
from pipeline.ops.checks.check_groups import check_groups
from pipeline.ops.checks.check_packages import check_packages
from pipeline.ops.checks.check_rejected import check_rejected
from pipeline.ops.checks.check_rows import check_rows
from pipeline.ops.checks.check_schemas import check_schemas
from pipeline.ops.checks.check_scorecards import check_scorecards
from pipeline.ops.checks.check_stored import check_stored
from pipeline.ops.checks.check_topics import check_topics
from pipeline.ops.checks.check_watermark import check_watermark

CHECKS: Final[Sequence[Check]] = (
    Check("packages", check_packages),
    Check("broker", check_broker),
    Check("topics", check_topics, needs=("broker",)),
    Check("schemas", check_schemas),
    Check("scorecards", check_scorecards, needs=("topics",)),
    Check("database", check_database),
    Check("clock", check_watermark, needs=("topics",)),
    Check("groups", check_groups, needs=("topics",)),
    Check("dlq", check_dead_letters, needs=("topics",)),
    Check("rows", check_rows, needs=("database",)),
    Check("stored", check_stored, needs=("topics", "database")),
    Check("rejected", check_rejected, needs=("database",)),
)
"""Every check, in the order in which one should look."""
