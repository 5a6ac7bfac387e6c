"""A health worker without a broker, the log it reads, and the changelog it writes."""

from collections.abc import Iterable
from typing import Any

from aiokafka.structs import ConsumerRecord
from faust import Event
from faust.types import TP

from agents.health import HealthWorker
from agents.time_source import SYSTEM_TIME, TimeSource
from pipeline.health.events import Event as AccountEvent
from pipeline.health.events import LogEntry, Login, Scorecards, SupportTicket, Tick
from pipeline.scorecards import load_scorecards
from pipeline.wire.log import LogCodec
from tests.unit.agents.lane_in_memory import batch_of
from tests.unit.agents.workers_in_memory import CONTRACT, REGISTRY, Running, until

LOG, CHANGELOG = TP(CONTRACT.log.name, 0), TP("lane-state-changelog", 0)
CURRENT = CONTRACT.current.name
START, DAY = 1_770_000_000_000, 86_400_000
CARDS = list(load_scorecards().documents)

encode = LogCodec(CONTRACT, REGISTRY).encode


class Health(Running):
    """A health worker that owns one partition, and the log it reads."""

    def __init__(
        self, *, step_bytes: int = 100_000, topic_id: str = "", time_source: TimeSource = SYSTEM_TIME
    ) -> None:
        super().__init__(LOG, time_source=time_source)
        self.worker = HealthWorker(
            self.lane.app,
            contract=CONTRACT,
            registry=REGISTRY,
            log_topic_id=lambda: topic_id,
            step_bytes=step_bytes,
        )
        self.store = self.worker._table.store
        self.worker._topic_ids.ids = {self.worker._log_topic: topic_id}

    def log(self, at: int, body: Any, account_id: str = "") -> None:
        """Append an entry to the log."""
        offset = len(self.lane.thread.records[LOG])
        source = "" if isinstance(body, Tick | Scorecards) else "login"
        self.put(LOG, account_id.encode(), encode(LogEntry(at, source, 0, offset, body)))

    async def recover(self, changelog: Iterable[ConsumerRecord] = (), committed: int | None = None) -> None:
        """
        Start from *changelog* and what the group has *committed*; the log is read on where the state wants
        it.
        """
        records = [
            ConsumerRecord(CHANGELOG.topic, 0, n, 0, 0, r.key, r.value, None, 0, 0, ())
            for n, r in enumerate(changelog)
        ]
        if records:
            self.store.apply(CHANGELOG, records)
        await self.store.on_recovery_completed({CHANGELOG}, set())
        self.producer._ends[CHANGELOG] = len(records)
        self.lane.thread.at.update(await self.worker._state_offsets({LOG: committed}))

    async def fold(self) -> list[Event]:
        """Fold one poll, and wait until it is written."""
        events = await self.process(self.worker)
        await until(lambda: all(batch_of(event).acked for event in events))
        return events

    def changelog(self) -> list[ConsumerRecord]:
        """The changelog as this worker has written it."""
        return self.producer.read(CHANGELOG.topic)

    def newest(self) -> dict[bytes, bytes]:
        """What compaction would leave of it."""
        return {record.key: record.value for record in self.changelog()}

    def outputs(self) -> list[tuple[str, bytes, bytes]]:
        """Topic, key and value of all that was put out."""
        return [
            (tp.topic, r.key, r.value)
            for tp, records in self.producer.batches
            for r in records
            if tp != CHANGELOG
        ]


def login(number: int = 1, at: int = START) -> Login:
    return Login(f"login-{number}", at, number.to_bytes(8), "USER", "WEB")


def ticket(number: int) -> AccountEvent:
    """An event that needs more room in the state than most."""
    return SupportTicket(f"ticket-{number}", START, f"desk:{number:0190}", "OPENED", "P3")


async def folded(accounts: int = 3, **options: Any) -> Health:
    """A worker that has folded scorecards and a login of each of some accounts."""
    health = Health(**options)
    health.log(START, Scorecards(CARDS))
    for number in range(accounts):
        health.log(START, login(number), f"acc-{number}")
    await health.recover()
    await health.fold()
    return health


async def with_everything_due(accounts: int, **options: Any) -> Health:
    """
    Accounts with a login on each of ten days are folded; the next entry is a tick long after, they went dark.
    """
    health = Health(**options)
    health.log(START, Scorecards(CARDS))
    for day in range(10):
        for number in range(accounts):
            at = START + day * DAY
            health.log(at, Login(f"login-{day}", at, b"somebody", "USER", "WEB"), f"acc-{number}")
        health.log(START + day * DAY, Tick())
    await health.recover()
    await health.fold()
    health.log(START + 30 * DAY, Tick())
    return health
