"""
An intake worker in this process, on the embedded broker: ticks among events, and what only a broker can
refuse.

One worker for all tests (5 s to start); each looks at what came into the topics after it began.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from agents.app import make_app
from agents.intake import IntakeWorker
from agents.lane.writer import append
from pipeline import metrics
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.health.events import LogEntry, Login, Tick
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.wire.inputs import InputEncoder
from tests.integration.worker_log import CONTRACT, PARTITIONS, REGISTRY, AccountLog

LOGINS, ACCOUNTS = CONTRACT.input("login").name, CONTRACT.input("account").name
TICK_SECONDS = 0.2

encode = InputEncoder(CONTRACT, REGISTRY).encode
live = pytest.mark.asyncio(loop_scope="module")


def login(event_id: str, account_id: str | None = "acc-1", **fields: Any) -> bytes:
    event = {"event_id": event_id, "occurred_at": now(), "source": "app", "user_id": "u", "channel": "WEB"}
    return encode("login", event | {"account_id": account_id, "role": "USER"} | fields)


def now() -> int:
    return int(time.time() * 1000)


class Live:
    """The worker, and the broker as others see it."""

    def __init__(self, log: AccountLog, worker: IntakeWorker) -> None:
        self.log = log
        self.worker = worker

    def ticks(self, partition: int = 0) -> list[int]:
        """Times of the ticks in a partition of the log."""
        return [entry.observed_at for _, entry in self.entries()[partition] if isinstance(entry.body, Tick)]

    def logged(self) -> set[str]:
        """Ids of the logins in the log."""
        return {
            e.body.event_id for log in self.entries().values() for _, e in log if isinstance(e.body, Login)
        }

    def entries(self) -> dict[int, list[tuple[str, LogEntry]]]:
        return self.log.entries()

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, partition: int = 0
    ) -> None:
        """Append one record and wait until it is in."""
        self.log.send(topic, value, key, partition)
        await asyncio.to_thread(self.log.flush)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def intake() -> AsyncIterator[Live]:
    """A worker that owns all partitions and ticks."""
    with EmbeddedBroker() as broker:
        log = AccountLog(broker.bootstrap)
        app = make_app(
            "telltale-intake",
            brokers=broker.bootstrap,
            partitions=PARTITIONS,
            heartbeat_seconds=0.5,
            commit_seconds=0.2,
        )
        worker = IntakeWorker(
            app,
            contract=CONTRACT,
            registry=REGISTRY,
            pseudonyms=Pseudonyms(b"0123456789abcdef0123456789abcdef"),
            tick_seconds=TICK_SECONDS,
            health_group="telltale-health",
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(worker.prepared())
            await app.start()
            running = Live(log, worker)
            await until(running.ticks)
            yield running
            await app.lane_consumer.drain()
            await app.stop()
            await worker._writer.close()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds; the test's timeout ends it. Conditions ask the broker, so in a thread."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.05)


class SlowLog:
    """Lets appends of events to the log take their time, or wait while *gate* is shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self._seconds = seconds
        self.gate = asyncio.Event()
        self.gate.set()
        monkeypatch.setattr("agents.intake.append", self)

    async def __call__(self, app: Any, topic: str, partition: int, records: Any) -> Any:
        if topic == CONTRACT.log.name and records[0][0] != b"":
            await self.gate.wait()
            await asyncio.sleep(self._seconds)
        return await append(app, topic, partition, records)


@live
async def test_a_tick_stands_behind_everything_that_was_in_the_inputs(
    intake: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An event that its source knew to be in Kafka at T stands before the tick T, however long the intake takes.

        sent |-- in the input --|-- T --|-- the log takes the event, after 0.3 s --|-- tick T
    """
    SlowLog(monkeypatch, 0.3)
    in_kafka_at: dict[str, int] = {}
    left_after_a_tick = PARTITIONS
    while left_after_a_tick:
        number = len(in_kafka_at)
        event_id = f"ticked-{number}"
        await intake.send(LOGINS, login(event_id, f"acc-{number % 8}"), partition=number % PARTITIONS)
        in_kafka_at[event_id] = now()
        ticked = max(await asyncio.to_thread(intake.ticks)) > in_kafka_at["ticked-0"]
        left_after_a_tick -= ticked
    await until(lambda: in_kafka_at.keys() <= intake.logged())
    last = max(in_kafka_at.values())
    await until(lambda: intake.ticks()[-1] > last)

    behind_a_tick = 0
    for entries in intake.entries().values():
        clock = 0
        for _, entry in entries:
            if isinstance(entry.body, Tick):
                clock = max(clock, entry.observed_at)
            elif isinstance(entry.body, Login) and entry.body.event_id in in_kafka_at:
                assert in_kafka_at[entry.body.event_id] >= clock
                behind_a_tick += clock > in_kafka_at["ticked-0"]
    assert behind_a_tick > 0


@live
async def test_an_intake_behind_does_not_tick(intake: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Time stands still while an event waits, and goes on when it is in the log; both lags are told meanwhile.
    """
    slow = SlowLog(monkeypatch, 0)
    slow.gate.clear()
    await intake.send(LOGINS, login("waiting"))
    held_at = now()
    await asyncio.sleep(5 * TICK_SECONDS)
    assert max(intake.ticks()) <= held_at
    await until(lambda: told(metrics.CLOCK_LAG_SECONDS) > 0.5)
    await until(lambda: told(metrics.LAG, topic=LOGINS, partition="0") == 1)

    slow.gate.set()
    await until(lambda: max(intake.ticks()) > held_at)

    assert "waiting" in intake.logged()
    await until(lambda: told(metrics.LAG, topic=LOGINS, partition="0") == 0)


@live
async def test_an_event_sent_right_behind_the_facts_that_place_it_is_placed(intake: Live) -> None:
    """The inputs are separate topics, and the event may be met first."""
    for number in range(5):
        facts = {
            "event_id": "f",
            "occurred_at": now(),
            "source": "crm",
            "account_id": f"new-{number}",
            "name": "N",
        }
        facts |= {"segment": "MID", "lifecycle_stage": "LIVE", "external_ids": {}}
        facts |= {"domains": [f"new-{number}.example"]}
        await intake.send(ACCOUNTS, encode("account", facts), f"new-{number}".encode())
        await intake.send(LOGINS, login(f"placed-{number}", None, email=f"x@new-{number}.example"))

    await until(lambda: {f"placed-{number}" for number in range(5)} <= intake.logged())


@live
async def test_records_that_a_broker_or_a_codec_could_choke_on_are_put_aside(intake: Live) -> None:
    """1.5 MB, a null, and both key and value null; the event behind them is in the log."""
    before = len(intake.log.read(f"{LOGINS}.dlq"))
    await intake.send(LOGINS, bytes(1_500_000), b"large", 3)
    await intake.send(LOGINS, None, b"null", 3)
    await intake.send(LOGINS, None, None, 3)
    await intake.send(LOGINS, login("behind"), partition=3)
    await until(lambda: "behind" in intake.logged())

    dead_letters = intake.log.read(f"{LOGINS}.dlq")[before:]
    codes = [dict(dead_letter.headers)["telltale-dlq-code"] for dead_letter in dead_letters]
    assert [(dead_letter.key, dead_letter.value) for dead_letter in dead_letters] == [
        (None, b""),
        (b"null", None),
        (None, None),
    ]
    assert codes == [b"too_large", b"decode", b"decode"]


@live
async def test_a_null_closes_the_account_in_log_and_directory(intake: Live) -> None:
    """An event placed by its domain is nobody's from then on."""
    facts = {"event_id": "f", "occurred_at": now(), "source": "crm", "account_id": "closing", "name": "N"}
    facts |= {"segment": "MID", "lifecycle_stage": "LIVE", "external_ids": {}, "domains": ["closing.example"]}
    await intake.send(ACCOUNTS, encode("account", facts), b"closing")
    directory = intake.worker._intake._directory
    await until(lambda: "closing" in directory)

    await intake.send(ACCOUNTS, None, b"closing")
    await until(lambda: "closing" not in directory)

    def bodies() -> list[str]:
        return [
            type(e.body).__name__ for log in intake.entries().values() for key, e in log if key == "closing"
        ]

    await until(lambda: bodies() == ["AccountFacts", "AccountClosed"])


def told(metric: Any, **labels: str) -> float:
    """What the metric says of the series that has *labels*."""
    return next(
        (
            sample.value
            for family in metric.collect()
            for sample in family.samples
            if labels.items() <= sample.labels.items()
        ),
        -1.0,
    )
