"""
Events that nobody could place come back by themselves when their account becomes known, and count once.

One intake worker on the embedded broker for all tests; each has accounts of its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import structlog
from aiokafka.errors import KafkaError

from agents.app import make_app
from agents.dead_letter_returns import DeadLetterReturns
from agents.intake import IntakeWorker
from agents.lane.writer import append
from agents.pending_dead_letters import Place
from pipeline import metrics
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.wire.dead_letters import MOST_REPLAYS
from tests.integration.returning_intake import LOGINS, TICKETS, Live, login, ticket, until
from tests.integration.worker_log import CONTRACT, PARTITIONS, REGISTRY, AccountLog

live = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def intake() -> AsyncIterator[Live]:
    """A worker that owns all partitions."""
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
            tick_seconds=0.5,
            health_group="telltale-health",
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(worker.prepared())
            await app.start()
            yield Live(log, worker)
            await app.lane_consumer.drain()
            await app.stop()
            await worker._writer.close()


@asynccontextmanager
async def beside(returns: DeadLetterReturns) -> AsyncIterator[DeadLetterReturns]:
    """Run *returns* for the length of the block."""
    running = asyncio.create_task(returns.run())
    try:
        yield returns
    finally:
        running.cancel()
        await asyncio.wait({running})


@live
async def test_events_come_back_when_their_account_becomes_known(intake: Live) -> None:
    """
    From each input and partition, by external id and by domain; each is in the account's log exactly once.
    """
    before = returned()
    logins = [login(f"known-{number}", external_id="e-known") for number in range(6)]
    await intake.send(LOGINS, *logins)
    await intake.send(TICKETS, ticket("known-ticket", email="ana@known.example"))
    await until(lambda: len(intake.waiting()) == 6 and len(intake.waiting(TICKETS)) == 1)

    await intake.know("known", external_ids={"app": "e-known"}, domains=["known.example"])
    await until(lambda: len(intake.placed("known")) == 7)
    await until(lambda: not intake.waiting() and not intake.waiting(TICKETS))

    assert sorted(intake.placed("known")) == sorted(["known-ticket", *(f"known-{n}" for n in range(6))])
    assert intake.counted("known") == 7
    assert returned() - before == 7


@live
async def test_an_event_comes_back_when_only_one_account_still_claims_it(intake: Live) -> None:
    """An account that gives a claim up changes whose event it is, too."""
    await intake.know("one", domains=["shared.example"])
    await intake.know("two", domains=["shared.example"])
    directory = intake.worker._intake._directory
    await until(lambda: "one" in directory and "two" in directory)
    await intake.send(LOGINS, login("shared", email="x@shared.example"))
    await until(intake.waiting)

    await intake.know("two", domains=[])
    await until(lambda: intake.placed("one") == ["shared"])

    await until(lambda: not intake.waiting())
    assert intake.placed("two") == []


@live
async def test_what_is_dropped_or_came_back_too_often_stays(intake: Live) -> None:
    """A record is sent to its input again three times at most, and never once somebody has given it up."""
    kept = intake.dead_letter_event(login("spent", external_id="e-stays"), replays=MOST_REPLAYS)
    dropped = intake.dead_letter_event(login("dropped", external_id="e-stays"))
    intake.drop(dropped[0])
    again = intake.dead_letter_event(login("third", external_id="e-stays"), replays=MOST_REPLAYS - 1)

    await intake.know("stays", external_ids={"app": "e-stays"})
    await until(lambda: intake.placed("stays"))
    await until(lambda: intake.waiting() == {(1, kept[0])})

    assert intake.placed("stays") == ["third"]
    assert again[0] not in {offset for _, offset in intake.waiting()}


@live
async def test_two_workers_at_once_end_in_one_count(intake: Live) -> None:
    """Each may think that the clock is its own for a moment; the account drops what it has seen."""
    left = intake.waiting()
    async with beside(intake.returns()) as other:
        await intake.send(LOGINS, *(login(f"both-{number}", external_id="e-both") for number in range(20)))
        await until(lambda: len(intake.waiting() - left) == 20)
        await until(lambda: len(other._waiting or ()) >= 20)

        await intake.know("both", external_ids={"app": "e-both"})
        await until(lambda: "both" in intake.worker._intake._directory)
        other.changed([("app", "e-both")])
        await until(lambda: intake.waiting() == left)
        await until(lambda: len(intake.placed("both")) >= 20)

    assert intake.counted("both") == 20


@live
async def test_a_crash_before_the_mark_repeats_what_the_account_drops(
    intake: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The event is sent, the marker is not written; whoever starts next sends it again, and it counts once.

        sent | dies | sent again | marked
    """
    failed = asyncio.Event()

    async def failing_once(app: Any, topic: str, *batch: Any) -> Any:
        if topic.endswith(".dlq") and not failed.is_set():
            failed.set()
            raise KafkaError("the broker is gone")
        return await append(app, topic, *batch)

    monkeypatch.setattr("agents.dead_letter_returns.append", failing_once)
    monkeypatch.setattr(intake.worker._returns, "_retry_seconds", 0.0)
    left = intake.waiting()
    await intake.send(LOGINS, login("crash", external_id="e-crash"))
    await until(lambda: len(intake.waiting() - left) == 1)
    await intake.know("crash", external_ids={"app": "e-crash"})
    await failed.wait()
    await until(lambda: intake.waiting() == left)
    await until(lambda: len(intake.placed("crash")) == 2)

    assert intake.counted("crash") == 1


@live
async def test_a_restart_returns_what_became_known_meanwhile_and_nothing_twice(
    intake: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was returned before is marked, and only what waits is sent; and nothing before it is our turn."""
    await intake.know("meanwhile", external_ids={"app": "e-meanwhile"})
    await until(lambda: "meanwhile" in intake.worker._intake._directory)
    our_turn = False
    monkeypatch.setattr(intake.worker._returns, "_owns", lambda: False)  # our own worker's turn is over
    async with beside(intake.returns(lambda: our_turn)) as restarted:
        before = len(intake.log.read(LOGINS))
        intake.dead_letter_event(login("meanwhile", external_id="e-meanwhile"))
        assert intake.placed("meanwhile") == []

        our_turn = True
        await until(lambda: intake.placed("meanwhile") == ["meanwhile"])
        await until(lambda: restarted._waiting is not None and not restarted._touched)

    assert len(intake.log.read(LOGINS)) == before + 1


@live
async def test_a_worker_that_has_lost_the_clock_sends_nothing_until_it_has_it_again(
    intake: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on knowing what waits, and does not read all of it again."""
    monkeypatch.setattr(intake.worker._returns, "_owns", lambda: False)
    await intake.know("later", external_ids={"app": "e-later"})
    await until(lambda: "later" in intake.worker._intake._directory)
    our_turn = True
    async with beside(intake.returns(lambda: our_turn)) as other:
        await until(lambda: other._waiting is not None)
        waiting, our_turn = other._waiting, False
        intake.dead_letter_event(login("later", external_id="e-later"))
        await until(lambda: ("app", "e-later") in other._touched)
        await intake.send(LOGINS, login("meanwhile-2", account_id="later"))
        await until(lambda: "meanwhile-2" in intake.placed("later"))
        assert intake.placed("later") == ["meanwhile-2"]

        our_turn = True
        await until(lambda: intake.placed("later") == ["meanwhile-2", "later"])

        assert other._waiting is waiting


@live
async def test_dead_letter_topics_that_were_recreated_are_read_again_and_said_once(
    intake: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places known of the old ones mean other records; what waits in the new ones comes back as before."""
    monkeypatch.setattr(intake.worker._returns, "_owns", lambda: False)
    ids = {f"{LOGINS}.dlq": "first"}
    with structlog.testing.capture_logs() as logs:
        async with beside(intake.returns(topic_ids=lambda: dict(ids))) as other:
            await until(lambda: other._waiting is not None)
            before = other._waiting
            ids[f"{LOGINS}.dlq"] = "second"
            await until(lambda: other._waiting is not None and other._waiting is not before)
            intake.dead_letter_event(login("again", external_id="e-again"))
            await intake.know("again", external_ids={"app": "e-again"})
            await until(lambda: "again" in intake.worker._intake._directory)
            other.changed([("app", "e-again")])
            await until(lambda: intake.placed("again") == ["again"])

    [said] = [line for line in logs if line["event"] == "dead_letters.topics_changed"]
    assert said["reason"] == f"{LOGINS}.dlq was deleted and recreated: its id was first and is second"


@live
async def test_a_dead_letter_that_is_gone_is_said_once_and_given_up(
    intake: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention, or whoever emptied the topic, has taken it: no account brings it back, others still come."""
    monkeypatch.setattr(intake.worker._returns, "_owns", lambda: False)
    claim = ("app", "e-gone")
    await intake.know("gone", external_ids=dict([claim]))
    await until(lambda: "gone" in intake.worker._intake._directory)
    with structlog.testing.capture_logs() as logs:
        async with beside(intake.returns()) as other:
            await until(lambda: other._waiting is not None)
            assert other._waiting is not None
            other._waiting.add(Place(f"{LOGINS}.dlq", 1, 1_000_000), (claim,))
            intake.dead_letter_event(login("still-there", external_id="e-gone"))
            await until(lambda: intake.placed("gone") == ["still-there"])
            other.changed([claim])
            waiting = other._waiting
            await until(lambda: not waiting.waiting_for([claim]))

    assert [line["dead_letters"] for line in logs if line["event"] == "dead_letters.gone"] == [1]


def returned() -> float:
    """Dead letters returned since the start, as the metric tells."""
    return sum(s.value for family in metrics.DEAD_LETTERS_RETURNED.collect() for s in family.samples)
