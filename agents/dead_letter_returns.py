"""
Brings events back whose account has become known: from the dead letters to their input, by themselves.

One intake worker at a time does it, the one that owns the clock. It follows the dead-letter topics and keeps,
of each dead letter that waits for an account, its place and its claims; when the directory learns or loses a
claim, it looks only at the dead letters that wait for that one. A dead letter is sent to its input first, and
marked when that is acknowledged. So a crash in between, or two workers for a moment, send an event twice and
never not at all; both bear one event id, and the account counts it once.

A topic that was cut or recreated is read again from its beginning: the places known of it mean nothing more.

Who the account is, is not decided here: the event is judged by the intake again, like any other.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from agents.app import LaneApp
from agents.dead_letter_feed import DeadLetterFeed, Polled, TopicsChanged, dead_letter_reader
from agents.lane.writer import append
from agents.pending_dead_letters import PendingDeadLetters, Place
from pipeline import metrics
from pipeline.errors import TelltaleError
from pipeline.intake.directory import AccountDirectory, Claim, claims_of_event
from pipeline.intake.received import Code, Received, Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.dead_letters import (
    MOST_REPLAYS,
    MOST_UNMARKED,
    DeadLetterHeaders,
    ReplayMarker,
    headers_again,
    read,
)

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 100_000
"""Dead letters whose claims are kept."""

_FOR_AN_ACCOUNT: Final[frozenset[Code]] = frozenset({"unresolved_account", "ambiguous_account"})
_BY, _WHY = "intake", "its account is known now"
_OWNER_POLL_SECONDS = 1.0
_RETRY_SECONDS = 10.0
"""A marker that cannot be written makes its dead letters be sent again and again, so not at once."""
_LOOK_SECONDS = 10.0


class DeadLetterReturns:
    """
    The returning of one intake worker; it begins when *owns* says so for the first time, and sends while it
    does.

    *decode* makes records of input topics values, or rejects them. *directory* is the one events are judged
    by; its changes come in through ``changed``. *topic_ids* asks a broker for the ids of the dead-letter
    topics, by which one that was recreated is known, every *look_seconds* and before anything is sent; it is
    called in a thread. Of more than *most_waiting* dead letters that wait for an account the newest come back
    by themselves, and the others by ``telltale dlq replay``. After an error it goes on in *retry_seconds*.
    """

    def __init__(
        self,
        app: LaneApp,
        *,
        contract: Contract,
        decode: Callable[[Sequence[Any]], Awaitable[Sequence[Received | Rejected]]],
        directory: AccountDirectory,
        owns: Callable[[], bool],
        topic_ids: Callable[[], Mapping[str, str]] = dict,
        most_waiting: int = MOST_WAITING,
        look_seconds: float = _LOOK_SECONDS,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self._app = app
        self._inputs = {contract.dead_letter(topic).name: topic.name for topic in contract.inputs}
        self._decode = decode
        self._directory = directory
        self._owns = owns
        self._topic_ids = topic_ids
        self._most_waiting = most_waiting
        self._look_seconds = look_seconds
        self._retry_seconds = retry_seconds
        self._waiting: PendingDeadLetters | None = None
        """None until it is our turn for the first time."""
        self._touched: set[Claim] = set()
        """
        Claims that may place a dead letter since it was last tried: of changed accounts, and of new dead
        letters.
        """
        metrics.seed(metrics.DEAD_LETTERS_RETURNED, topic=self._inputs.values())

    def changed(self, claims: Iterable[Claim]) -> None:
        """Note *claims* that an account has gained or lost."""
        if self._waiting is not None:
            self._touched.update(claims)

    async def run(self) -> None:
        """
        Return dead letters until cancelled. A broker that is away delays them; then it starts over, for
        markers are kept.
        """
        while True:
            if not self._owns():
                await asyncio.sleep(_OWNER_POLL_SECONDS)
                continue
            try:
                await self._serve()
            except TopicsChanged as exc:
                log.warning("dead_letters.topics_changed", reason=str(exc), hint="reads them again by itself")
            except (KafkaError, OSError, TelltaleError) as exc:
                log.warning("dead_letters.stalled", reason=repr(exc), hint="tries again by itself")
                await asyncio.sleep(self._retry_seconds)
            finally:
                self._waiting = None
                self._touched.clear()

    async def _serve(self) -> None:
        """Know what waits, then return what can be placed, now and whenever an account changes."""
        async with dead_letter_reader(
            list(self._inputs),
            self._topic_ids,
            self._app.connection,
            look_seconds=self._look_seconds,
            time_source=self._app.time_source,
        ) as reader:
            if not reader.has_topics:
                await asyncio.sleep(_OWNER_POLL_SECONDS)
                return
            waiting = self._waiting = PendingDeadLetters(self._most_waiting)
            await reader.catch_up(lambda polled: self._take(polled, waiting))
            if len(waiting) or waiting.forgotten:
                log.info("dead_letters.waiting", dead_letters=len(waiting), forgotten=waiting.forgotten)
            while True:
                # A worker that has lost the clock goes on knowing what waits: it may get the clock back.
                if self._owns():
                    await self._return_placed(reader, waiting)
                await self._take(await reader.poll(), waiting)

    async def _take(self, polled: Polled, waiting: PendingDeadLetters) -> None:
        """Take in dead letters and markers."""
        full = waiting.forgotten
        for tp, records in polled.items():
            said = [(record, read(record.headers)) for record in records]
            done = {marker.offset for _, marker in said if isinstance(marker, ReplayMarker)}
            dead_letters = [
                record
                for record, dead_letter in said
                if isinstance(dead_letter, DeadLetterHeaders)
                and dead_letter.code in _FOR_AN_ACCOUNT
                and dead_letter.replays < MOST_REPLAYS
                and record.offset not in done
            ]
            events = await self._decode(
                [replace(dead_letter, topic=self._inputs[tp.topic]) for dead_letter in dead_letters]
            )
            for offset in done:
                waiting.remove(Place(tp.topic, tp.partition, offset))
            for event in events:
                if isinstance(event, Received) and event.value is not None:
                    claims = claims_of_event(event.value)
                    waiting.add(Place(tp.topic, tp.partition, event.offset), claims)
                    self._touched.update(claims)
        if not full and waiting.forgotten:
            hint = "the newest come back by themselves, the others by `telltale dlq replay`"
            log.warning("dead_letters.too_many", most=self._most_waiting, hint=hint)

    async def _return_placed(self, reader: DeadLetterFeed, waiting: PendingDeadLetters) -> None:
        """Return the dead letters that a changed claim places now."""
        affected, self._touched = self._touched, set()
        if not self._placed(waiting, affected):
            return
        # Somebody may have sent or dropped one of them a moment ago.
        await reader.catch_up(lambda polled: self._take(polled, waiting))
        await reader.look()
        for tp, offsets in self._placed(waiting, affected).items():
            for first in range(0, len(offsets), MOST_UNMARKED):
                if not self._owns():
                    self._touched |= affected
                    return
                await self._return(reader, waiting, tp, offsets[first : first + MOST_UNMARKED])

    def _placed(
        self, waiting: PendingDeadLetters, affected: Iterable[Claim]
    ) -> dict[TopicPartition, list[int]]:
        """
        Offsets of the dead letters that wait for any of the *affected* claims and have an account, rising.
        """
        placed: dict[TopicPartition, list[int]] = defaultdict(list)
        for place, claims in waiting.waiting_for(affected).items():
            if self._directory.places(claims):
                placed[TopicPartition(place.topic, place.partition)].append(place.offset)
        return {tp: sorted(offsets) for tp, offsets in placed.items()}

    async def _return(
        self, reader: DeadLetterFeed, waiting: PendingDeadLetters, tp: TopicPartition, offsets: Sequence[int]
    ) -> None:
        fetched = await reader.fetch(tp, offsets)
        records = [record for record in fetched if isinstance(read(record.headers), DeadLetterHeaders)]
        if len(records) < len(offsets):
            gone = len(offsets) - len(records)
            log.warning("dead_letters.gone", topic=tp.topic, partition=tp.partition, dead_letters=gone)
        to = self._inputs[tp.topic]
        # Its dead letter stands in the partition that it came from, or in the one that stands for it where
        # there are fewer.
        partition = tp.partition % await self._app.partition_count(to)
        again = [(record.key, record.value, headers_again(record.headers)) for record in records]
        await append(self._app, to, partition, again)
        markers = [
            ReplayMarker(offset=record.offset, done="replayed", by=_BY, why=_WHY) for record in records
        ]
        await append(self._app, tp.topic, tp.partition, [(None, b"", marker.headers()) for marker in markers])
        for offset in offsets:
            waiting.remove(Place(tp.topic, tp.partition, offset))
        metrics.DEAD_LETTERS_RETURNED.labels(topic=to).inc(len(records))
        log.info("dead_letters.returned", topic=to, partition=partition, dead_letters=len(records))
