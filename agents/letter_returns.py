"""
Brings events back whose account has become known: from the dead letters to their input, by themselves.

One intake worker at a time does it, the one that owns the clock. It follows the dead-letter topics and keeps, of each
letter that waits for an account, its place and its claims; when the directory learns or loses a claim, it looks only
at the letters that wait for that one. A letter is sent to its input first, and marked when that is acknowledged. So a
crash in between, or two workers for a moment, send an event twice and never not at all; both bear one event id, and
the account counts it once.

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
from agents.dead_letter_reader import DeadLetterReader, Polled, TopicsChanged, dead_letter_reader
from agents.lane.writer import append
from agents.waiting_letters import Place, WaitingLetters
from pipeline import metrics
from pipeline.errors import TelltaleError
from pipeline.intake.directory import AccountDirectory, Claim, claims_of_event
from pipeline.intake.received import Code, Received, Rejected
from pipeline.wire.contract import Contract
from pipeline.wire.dead_letters import MOST_REPLAYS, MOST_UNMARKED, Letter, Mark, headers_again, read

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 100_000
"""Letters whose claims are kept."""

_FOR_AN_ACCOUNT: Final[frozenset[Code]] = frozenset({"unresolved_account", "ambiguous_account"})
_BY, _WHY = "intake", "its account is known now"
_OWNER_POLL_SECONDS = 1.0
_RETRY_SECONDS = 10.0
"""A mark that cannot be written makes its letters be sent again and again, so not at once."""
_LOOK_SECONDS = 10.0


class LetterReturns:
    """
    The returning of one intake worker; it begins when *owns* says so for the first time, and sends while it does.

    *decode* makes records of input topics values, or rejects them. *directory* is the one events are judged
    by; its changes come in through ``changed``. *topic_ids* asks a broker for the ids of the dead-letter
    topics, by which one that was recreated is known, every *look_seconds* and before anything is sent; it is
    called in a thread. Of more than *most_waiting* letters that wait for an account the newest come back by
    themselves, and the others by ``telltale dlq replay``. After an error it goes on in *retry_seconds*.
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
        self._waiting: WaitingLetters | None = None
        """None until it is our turn for the first time."""
        self._touched: set[Claim] = set()
        """Claims that may place a letter since it was last tried: of changed accounts, and of new letters."""
        metrics.seed(metrics.LETTERS_RETURNED, topic=self._inputs.values())

    def changed(self, claims: Iterable[Claim]) -> None:
        """Note *claims* that an account has gained or lost."""
        if self._waiting is not None:
            self._touched.update(claims)

    async def run(self) -> None:
        """Return letters until cancelled. A broker that is away delays them; then it starts over, for marks are kept."""
        while True:
            if not self._owns():
                await asyncio.sleep(_OWNER_POLL_SECONDS)
                continue
            try:
                await self._serve()
            except TopicsChanged as exc:
                log.warning("letters.topics_changed", reason=str(exc), way_out="reads them again by itself")
            except (KafkaError, OSError, TelltaleError) as exc:
                log.warning("letters.stalled", reason=repr(exc), way_out="tries again by itself")
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
            waiting = self._waiting = WaitingLetters(self._most_waiting)
            await reader.catch_up(lambda polled: self._take(polled, waiting))
            if len(waiting) or waiting.forgotten:
                log.info("letters.waiting", letters=len(waiting), forgotten=waiting.forgotten)
            while True:
                # A worker that has lost the clock goes on knowing what waits: it may get the clock back.
                if self._owns():
                    await self._return_placed(reader, waiting)
                await self._take(await reader.poll(), waiting)

    async def _take(self, polled: Polled, waiting: WaitingLetters) -> None:
        """Take in letters and marks."""
        full = waiting.forgotten
        for tp, records in polled.items():
            said = [(record, read(record.headers)) for record in records]
            done = {mark.offset for _, mark in said if isinstance(mark, Mark)}
            letters = [
                record
                for record, letter in said
                if isinstance(letter, Letter)
                and letter.code in _FOR_AN_ACCOUNT
                and letter.replays < MOST_REPLAYS
                and record.offset not in done
            ]
            events = await self._decode([replace(letter, topic=self._inputs[tp.topic]) for letter in letters])
            for offset in done:
                waiting.remove(Place(tp.topic, tp.partition, offset))
            for event in events:
                if isinstance(event, Received) and event.value is not None:
                    claims = claims_of_event(event.value)
                    waiting.add(Place(tp.topic, tp.partition, event.offset), claims)
                    self._touched.update(claims)
        if not full and waiting.forgotten:
            way_out = "the newest come back by themselves, the others by `telltale dlq replay`"
            log.warning("letters.too_many", most=self._most_waiting, way_out=way_out)

    async def _return_placed(self, reader: DeadLetterReader, waiting: WaitingLetters) -> None:
        """Return the letters that a touched claim places now."""
        touched, self._touched = self._touched, set()
        if not self._placed(waiting, touched):
            return
        # Somebody may have sent or dropped one of them a moment ago.
        await reader.catch_up(lambda polled: self._take(polled, waiting))
        await reader.look()
        for tp, offsets in self._placed(waiting, touched).items():
            for first in range(0, len(offsets), MOST_UNMARKED):
                if not self._owns():
                    self._touched |= touched
                    return
                await self._return(reader, waiting, tp, offsets[first : first + MOST_UNMARKED])

    def _placed(self, waiting: WaitingLetters, touched: Iterable[Claim]) -> dict[TopicPartition, list[int]]:
        """Offsets of the letters that wait for any of the *touched* claims and have an account, rising."""
        placed: dict[TopicPartition, list[int]] = defaultdict(list)
        for place, claims in waiting.waiting_for(touched).items():
            if self._directory.places(claims):
                placed[TopicPartition(place.topic, place.partition)].append(place.offset)
        return {tp: sorted(offsets) for tp, offsets in placed.items()}

    async def _return(
        self, reader: DeadLetterReader, waiting: WaitingLetters, tp: TopicPartition, offsets: Sequence[int]
    ) -> None:
        fetched = await reader.fetch(tp, offsets)
        records = [record for record in fetched if isinstance(read(record.headers), Letter)]
        if len(records) < len(offsets):
            gone = len(offsets) - len(records)
            log.warning("letters.gone", topic=tp.topic, partition=tp.partition, letters=gone)
        to = self._inputs[tp.topic]
        # Its letter stands in the partition that it came from, or in the one that stands for it where there are fewer.
        partition = tp.partition % await self._app.partition_count(to)
        again = [(record.key, record.value, headers_again(record.headers)) for record in records]
        await append(self._app, to, partition, again)
        marks = [Mark(offset=record.offset, done="replayed", by=_BY, why=_WHY) for record in records]
        await append(self._app, tp.topic, tp.partition, [(None, b"", mark.headers()) for mark in marks])
        for offset in offsets:
            waiting.remove(Place(tp.topic, tp.partition, offset))
        metrics.LETTERS_RETURNED.labels(topic=to).inc(len(records))
        log.info("letters.returned", topic=to, partition=partition, letters=len(records))
