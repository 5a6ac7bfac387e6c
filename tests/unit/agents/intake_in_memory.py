"""An intake worker without a broker, and the records its inputs may hold."""

from dataclasses import dataclass, field
from typing import Any

from aiokafka.structs import ConsumerRecord
from faust.types import TP

from agents.intake import IntakeWorker
from agents.time_source import SYSTEM_TIME, TimeSource
from pipeline.health.events import LogEntry
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.wire.inputs import InputEncoder
from pipeline.wire.log import LogCodec
from tests.unit.agents.lane_in_memory import batch_of
from tests.unit.agents.workers_in_memory import CONTRACT, REGISTRY, Running, until

LOGINS, SURVEYS, ACCOUNTS = (CONTRACT.input(source).name for source in ("login", "survey", "account"))
LOG = CONTRACT.log.name
DAY_ONE = 1_700_000_000_000

encode = InputEncoder(CONTRACT, REGISTRY).encode
decode = LogCodec(CONTRACT, REGISTRY).decode


def login(number: int = 1, account_id: str | None = "acc-1", **fields: Any) -> bytes:
    """A login as its source sends it."""
    event = {
        "event_id": f"login-{number}",
        "occurred_at": DAY_ONE,
        "source": "app",
        "user_id": "u",
        "channel": "WEB",
    }
    return encode("login", event | {"account_id": account_id, "role": "USER"} | fields)


def account(account_id: str = "acc-1", **fields: Any) -> bytes:
    """An account's facts."""
    facts = {
        "event_id": "facts",
        "occurred_at": DAY_ONE,
        "source": "crm",
        "account_id": account_id,
        "name": "Alder",
    }
    facts |= {"segment": "MID", "lifecycle_stage": "LIVE", "domains": [], "external_ids": {}}
    return encode("account", facts | fields)


def survey(comment: str, **fields: Any) -> bytes:
    """An answer that nobody can place."""
    answer = {
        "event_id": "answer",
        "occurred_at": DAY_ONE,
        "source": "asks",
        "survey_id": "s",
        "step": "ANSWERED",
    }
    answer |= {"kind": "NPS", "score": 9, "scale_min": 0, "scale_max": 10, "higher_is_better": True}
    return encode("survey", answer | {"respondent_role": "UNKNOWN", "comment": comment} | fields)


@dataclass
class Feed:
    """Stands in for the account topic: what *appended* holds is learned at the next catch-up."""

    worker: IntakeWorker
    appended: list[ConsumerRecord] = field(default_factory=list)
    catch_ups: int = 0

    async def catch_up(self) -> None:
        self.catch_ups += 1
        await self.worker._learn(self.appended)


class Intake(Running):
    """An intake worker that owns partitions 0 and 3 of three inputs."""

    def __init__(
        self,
        registry: Any = REGISTRY,
        *,
        set_floods_aside: bool = False,
        time_source: TimeSource = SYSTEM_TIME,
    ) -> None:
        super().__init__(
            *(TP(topic, number) for topic in (LOGINS, SURVEYS, ACCOUNTS) for number in (0, 3)),
            time_source=time_source,
        )
        self.worker = IntakeWorker(
            self.lane.app,
            contract=CONTRACT,
            registry=registry,
            pseudonyms=Pseudonyms(b"0123456789abcdef0123456789abcdef"),
            tick_seconds=10,
            set_floods_aside=set_floods_aside,
            health_group="telltale-health",
            registry_retry_seconds=0.001,
        )
        self.feed = Feed(self.worker)
        self.worker._feed = self.feed  # type: ignore[assignment]  # as much of one as the worker uses

    async def take_in(self) -> None:
        """Process one poll, and wait until all of it is written and acknowledged."""
        events = await self.process(self.worker)
        await until(lambda: all(batch_of(event).acked for event in events))

    def entries(self) -> list[tuple[bytes, LogEntry]]:
        """The log."""
        return [(record.key, decode(record.value)) for record in self.producer.read(LOG)]

    def dead_letters(self, topic: str) -> list[tuple[ConsumerRecord, str, str]]:
        """The dead letters of *topic*: each with its code and its detail."""
        found = []
        for dead_letter in self.producer.read(f"{topic}.dlq"):
            headers = dict(dead_letter.headers)
            found.append(
                (dead_letter, headers["telltale-dlq-code"].decode(), headers["telltale-dlq-detail"].decode())
            )
        return found
