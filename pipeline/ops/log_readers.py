"""Whether the health workers can read what a command would write into the account log."""

import asyncio

from agents.log_readers import refuse_older
from pipeline.kafka.client import WAIT_SECONDS
from pipeline.ops.topic_plan import HEALTH_GROUP
from pipeline.ops.worker_app import worker_app
from pipeline.settings import Settings
from pipeline.wire.contract import Contract


def refuse_older_readers(settings: Settings, contract: Contract) -> None:
    """
    Raise ``HealthIsOlder`` where the group of the health workers has committed offsets and cannot read the
    entries that this release writes; one that never read anything is no hindrance.

    Raises ``ReadersUnknown`` if the broker does not tell within a minute.
    """
    app = worker_app(settings, HEALTH_GROUP)
    group = contract.prefix + HEALTH_GROUP
    asyncio.run(refuse_older(contract, group, app.connection, seconds=WAIT_SECONDS))
