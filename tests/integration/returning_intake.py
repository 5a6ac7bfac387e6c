"""
An intake worker in this process with its dead letters and its log, as the tests of what comes back look at
them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from agents.dead_letter_returns import DeadLetterReturns
from agents.intake import IntakeWorker
from pipeline.health.events import AccountFacts, LogEntry, Login, SupportTicket
from pipeline.kafka.records import Appender
from pipeline.wire.dead_letters import DeadLetterHeaders, ReplayMarker, dead_letter_headers, read
from pipeline.wire.inputs import InputEncoder
from tests.integration.worker_log import CONTRACT, PARTITIONS, REGISTRY, AccountLog, Undisturbed

LOGINS, TICKETS, ACCOUNTS = (CONTRACT.input(name).name for name in ("login", "support-ticket", "account"))

encode = InputEncoder(CONTRACT, REGISTRY).encode


def login(event_id: str, **fields: Any) -> bytes:
    """A login that names no account."""
    event = {"event_id": event_id, "occurred_at": now(), "source": "app", "user_id": "u", "channel": "WEB"}
    return encode("login", event | {"account_id": None, "role": "USER"} | fields)


def ticket(event_id: str, **fields: Any) -> bytes:
    """A ticket that names no account."""
    event = {"event_id": event_id, "occurred_at": now(), "source": "desk", "ticket_id": event_id}
    return encode("support_ticket", event | {"account_id": None, "step": "OPENED", "severity": "P2"} | fields)


def facts(account_id: str, **fields: Any) -> bytes:
    """What the CRM says of an account."""
    event = {"event_id": f"f-{now()}", "occurred_at": now(), "source": "crm", "account_id": account_id}
    event |= {"name": "N", "segment": "MID", "lifecycle_stage": "LIVE", "external_ids": {}, "domains": []}
    return encode("account", event | fields)


def now() -> int:
    return int(time.time() * 1000)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds; the test's timeout ends it. Conditions ask the broker, so in a thread."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.05)


class Live:
    """The worker, and the broker as others see it."""

    def __init__(self, log: AccountLog, worker: IntakeWorker) -> None:
        self.log = log
        self.worker = worker

    async def send(self, topic: str, *values: bytes, key: bytes | None = None) -> None:
        """Append records, spread over the partitions but for those with a key, and wait until they are in."""
        for number, value in enumerate(values):
            self.log.send(topic, value, key, 0 if key else number % PARTITIONS)
        await asyncio.to_thread(self.log.flush)

    async def know(self, account_id: str, **fields: Any) -> None:
        """Publish the facts of an account."""
        await self.send(ACCOUNTS, facts(account_id, **fields), key=account_id.encode())

    def placed(self, account_id: str) -> list[str]:
        """Ids of the events in the account's log, facts left out."""
        bodies = [entry.body for _, entry in self._entries(account_id)]
        return [body.event_id for body in bodies if isinstance(body, Login | SupportTicket)]

    def counted(self, account_id: str) -> int:
        """Events that the fold of the account's log counts, facts left out."""
        entries = self._entries(account_id)
        known = {entry.body.event_id for _, entry in entries if isinstance(entry.body, AccountFacts)}
        return Undisturbed(0, entries).fold.counters.events - len(known)

    def _entries(self, account_id: str) -> list[tuple[str, LogEntry]]:
        return [
            (key, entry) for log in self.log.entries().values() for key, entry in log if key == account_id
        ]

    def dead_letter_event(self, *values: bytes, replays: int = 0) -> list[int]:
        """Dead letters of logins, written by hand into partition 1; their offsets."""
        offsets: list[int] = []
        with Appender(
            self.log.client, lambda _topic, _partition, offset, _size: offsets.append(offset)
        ) as to:
            for value in values:
                headers = [
                    ("telltale-dlq-replays", str(replays).encode()),
                    *dead_letter_headers(
                        LOGINS, 1, 0, "unresolved_account", "no account lists the external_id"
                    ),
                ]
                to.append(f"{LOGINS}.dlq", b"k", value, partition=1, headers=headers)
        return offsets

    def drop(self, offset: int) -> None:
        """Mark a dead letter of partition 1 as dropped."""
        marker = ReplayMarker(offset=offset, done="dropped", by="ana@desk", why="a test account")
        with Appender(self.log.client) as to:
            to.append(f"{LOGINS}.dlq", None, b"", partition=1, headers=marker.headers())

    def waiting(self, topic: str = LOGINS) -> set[tuple[int, int]]:
        """Partition and offset of the dead letters of *topic* that no marker is about."""
        dead_letters, done = set(), set()
        for record in self.log.read(f"{topic}.dlq"):
            match read(record.headers):
                case DeadLetterHeaders():
                    dead_letters.add((record.partition, record.offset))
                case ReplayMarker(offset=offset):
                    done.add((record.partition, offset))
        return dead_letters - done

    def returns(
        self, owns: Callable[[], bool] = lambda: True, topic_ids: Callable[[], Mapping[str, str]] = dict
    ) -> DeadLetterReturns:
        """Another worker's returning, beside ours."""
        worker = self.worker
        directory = worker._intake._directory
        return DeadLetterReturns(
            worker.app,
            contract=CONTRACT,
            decode=worker._decode,
            directory=directory,
            owns=owns,
            topic_ids=topic_ids,
            look_seconds=0.05,
        )
