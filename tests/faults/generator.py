"""
Traffic by a seed, and what sends it: a hostile but honest customer base.

Events repeat (the same event id again), arrive out of order and late; some name their account only by an
external id or an e-mail's domain. Bounds of the product that would make the order of arrival matter are kept:
at most ``TICKETS`` tickets and ``INVOICES`` invoices an account, nothing older than ``OLDEST_DAYS``, and a
repeat comes before the account has had another ``REPEAT_WITHIN`` events.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import KafkaError, Producer

from tests.faults.ground_truth import NUMBER_HEADER, GroundTruth, Send
from tests.faults.outside_avro import OutsideAvro

TOPICS: Final = {
    "login": "customer.login.v1",
    "ticket": "customer.support-ticket.v1",
    "invoice": "customer.invoice.v1",
    "survey": "customer.survey.v1",
    "account": "customer.account.v1",
}
"""Input topic of each kind of event."""

CANARY: Final = "canary-7f3a"
"""Stands in every e-mail address and comment; it must not turn up behind the intake."""

TICKETS, INVOICES, PEOPLE = 20, 8, 12
OLDEST_DAYS: Final = 28
REPEAT_WITHIN: Final = 40

_DAY: Final = 86_400_000
_CERTAIN_FAILURES: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError.MSG_SIZE_TOO_LARGE})


class Event(NamedTuple):
    """A record to send; *account_id* is where it belongs, *value* what it says."""

    kind: str
    account_id: str
    value: dict[str, Any]


class Traffic:
    """
    Events of *accounts* accounts by *seed*; the same arguments give the same events.

    *hot* is the share that goes to the first account, *duplicates* the share of events that is sent once
    more, *spread* the share that happened at any time in the last ``OLDEST_DAYS`` days instead of in the hour
    before *now* (ms UTC). Events come shuffled within blocks of *disorder*.
    """

    def __init__(
        self,
        seed: int,
        *,
        accounts: int = 60,
        hot: float = 0.0,
        duplicates: float = 0.1,
        spread: float = 0.3,
        disorder: int = 25,
        now: int | None = None,
        prefix: str = "acc",
    ) -> None:
        self.seed = seed
        self.account_ids = [f"{prefix}-{number:04}" for number in range(accounts)]
        self._hot, self._duplicates, self._spread, self._disorder = hot, duplicates, spread, disorder
        self._now = int(time.time() * 1000) - 1000 if now is None else now
        self._rng = random.Random(seed)
        self._numbers: defaultdict[str, int] = defaultdict(int)

    def facts(self) -> list[Event]:
        """
        What the CRM says of every account; send and flush it before the events, which may need it to find
        theirs.
        """
        return [self._facts(account_id) for account_id in self.account_ids]

    def events(self, count: int) -> Iterator[Event]:
        """*count* events, repeats included; call it again for more."""
        repeats: list[tuple[int, Event]] = []
        block: list[Event] = []
        for number in range(count):
            if repeats and repeats[0][0] <= number:
                event = repeats.pop(0)[1]
            else:
                event = self._any_event()
                if self._rng.random() < self._duplicates:
                    repeats.append((number + self._rng.randrange(1, REPEAT_WITHIN), event))
                    repeats.sort(key=lambda repeat: repeat[0])
            block.append(event)
            if len(block) >= self._disorder:
                yield from self._shuffled(block)
                block = []
        yield from self._shuffled(block)

    def _shuffled(self, block: list[Event]) -> list[Event]:
        self._rng.shuffle(block)
        return block

    def _any_event(self) -> Event:
        rng = self._rng
        account_id = self.account_ids[0] if rng.random() < self._hot else rng.choice(self.account_ids)
        [make] = rng.choices(
            (self._login, self._ticket, self._invoice, self._survey, self._facts), (70, 12, 8, 6, 4)
        )
        return make(account_id)

    def _head(self, kind: str, account_id: str, source: str) -> dict[str, Any]:
        """The fields that every event has; one in ten names its account by an external id alone."""
        self._numbers[account_id] += 1
        hidden = kind != "account" and self._rng.random() < 0.1
        head = {
            "event_id": f"{kind}-{account_id}-{self._numbers[account_id]}",
            "occurred_at": self._moment(),
            "source": source,
            "account_id": None if hidden else account_id,
        }
        return head | ({"external_id": f"{source}-{account_id}"} if hidden else {})

    def _moment(self) -> int:
        reach = OLDEST_DAYS * _DAY if self._rng.random() < self._spread else _DAY // 24
        return self._now - self._rng.randrange(reach)

    def _day(self, ahead: int) -> Any:
        return (datetime.fromtimestamp(self._now / 1000, UTC) + timedelta(days=ahead)).date()

    def _login(self, account_id: str) -> Event:
        value = self._head("login", account_id, "app")
        person = self._rng.randrange(PEOPLE)
        value |= {
            "user_id": f"user-{person}",
            "channel": "WEB",
            "role": "CHAMPION" if person == 0 else "USER",
        }
        if person % 4 == 1:
            # Without account and external id, the e-mail's domain has to do.
            value |= {"email": f"{CANARY}.{person}@{account_id}.example"}
            if self._rng.random() < 0.5:
                value |= {"account_id": None, "external_id": None}
        return Event("login", account_id, value)

    def _ticket(self, account_id: str) -> Event:
        value = self._head("ticket", account_id, "zendesk")
        steps = ("OPENED", "REPLIED", "ESCALATED", "SOLVED", "REOPENED", "CLOSED")
        value |= {
            "ticket_id": f"t-{self._rng.randrange(TICKETS)}",
            "step": self._rng.choice(steps),
            "severity": self._rng.choice(("P1", "P2", "P3", "P4")),
            "requester": f"user-{self._rng.randrange(PEOPLE)}",
        }
        return Event("ticket", account_id, value)

    def _invoice(self, account_id: str) -> Event:
        value = self._head("invoice", account_id, "stripe")
        steps = ("ISSUED", "OVERDUE", "FAILED", "DISPUTED", "CREDITED", "PAID", "VOID")
        value |= {
            "invoice_id": f"in-{self._rng.randrange(INVOICES)}",
            "step": self._rng.choice(steps),
            "amount": Decimal(self._rng.randrange(1, 10_000_000)).scaleb(-4),
            "currency": self._rng.choice(("EUR", "USD")),
            "due_date": self._day(self._rng.randrange(-30, 30)),
        }
        return Event("invoice", account_id, value)

    def _survey(self, account_id: str) -> Event:
        value = self._head("survey", account_id, "delighted")
        answered = self._rng.random() < 0.6
        value |= {
            "survey_id": f"s-{self._numbers[account_id]}",
            "step": "ANSWERED" if answered else "SENT",
            "kind": "NPS",
            "score": self._rng.randrange(11) if answered else None,
            "scale_min": 0,
            "scale_max": 10,
            "respondent_role": self._rng.choice(("USER", "EXECUTIVE")),
            "comment": f"{CANARY} call me",
        }
        return Event("survey", account_id, value)

    def _facts(self, account_id: str) -> Event:
        value = self._head("account", account_id, "crm")
        value |= {
            "name": f"Company {account_id} {self._rng.randrange(1000)}",
            "domains": [f"{account_id}.example"],
            "external_ids": {
                name: f"{name}-{account_id}" for name in ("app", "zendesk", "stripe", "delighted")
            },
            "segment": "MID",
            "lifecycle_stage": "LIVE",
            "seats": self._rng.randrange(5, 50),
            "cmrr": Decimal(self._rng.randrange(1, 10_000_000)).scaleb(-4),
            "currency": "EUR",
            "renewal_date": self._day(self._rng.randrange(200, 300)),
            "owner": "mara",
        }
        return Event("account", account_id, value)


class Feeder:
    """
    Sends records and enters every one into *ground_truth*, with the verdict of its delivery report.

    *brokers* may be a proxy; *settings* are librdkafka's, over those here (``message.timeout.ms`` decides
    when a send whose answer is lost becomes *unknown*). One thread at a time.
    """

    def __init__(self, brokers: str, ground_truth: GroundTruth, *, prefix: str = "", **settings: Any) -> None:
        self.ground_truth = ground_truth
        self.avro = OutsideAvro()
        self._prefix = prefix
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "log_level": 0,
                **{name.replace("_", "."): value for name, value in settings.items()},
            }
        )

    def send(self, event: Event, *, payload: bytes | None = None) -> Send:
        """Send one event that has to be applied, as *payload* if that is given."""
        topic = TOPICS[event.kind]
        value = event.value
        return self._produce(
            kind=event.kind,
            topic=topic,
            account_id=event.account_id,
            event_id=value["event_id"],
            occurred_at=value["occurred_at"],
            key=event.account_id.encode(),
            value=value,
            payload=self.avro.encode(topic, value) if payload is None else payload,
            code=None,
        )

    def send_junk(self, topic: str, payload: bytes | None, *, code: str, key: bytes | None = None) -> Send:
        """Send what has to become a dead letter with *code*."""
        return self._produce(
            kind="junk",
            topic=topic,
            account_id="",
            event_id="",
            occurred_at=0,
            key=key,
            value=None,
            payload=payload,
            code=code,
        )

    def send_all(self, events: Iterable[Event], *, per_second: float | None = None) -> None:
        """Send *events*, so many a second if that is given, and wait for every verdict."""
        started = time.monotonic()
        for number, event in enumerate(events):
            if per_second is not None:
                time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            self.send(event)
        self.flush()

    def flush(self, seconds: float = 60.0) -> None:
        """Wait until every send has its verdict, or is as unknown as it will stay."""
        self._producer.flush(seconds)

    def _produce(self, **fields: Any) -> Send:
        send = self.ground_truth.note(**fields)
        headers: list[tuple[str, str | bytes | None]] = [(NUMBER_HEADER, str(send.number))]

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                send.verdict, send.partition, send.offset = "ok", message.partition(), message.offset()
            elif error.code() in _CERTAIN_FAILURES:
                send.verdict = "fail"

        while True:
            try:
                self._producer.produce(
                    self._prefix + send.topic, send.payload, send.key, on_delivery=delivered, headers=headers
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return send


class Load:
    """Events sent by a thread while the test does its worst; *sent* counts up."""

    def __init__(self, feeder: Feeder, events: Iterable[Event], per_second: float) -> None:
        self.sent = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(feeder, events, per_second), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def running(self) -> bool:
        """Whether there is more to send."""
        return self._thread.is_alive()

    def finish(self) -> None:
        """Wait until everything is sent and has its verdict."""
        self._thread.join()

    def _run(self, feeder: Feeder, events: Iterable[Event], per_second: float) -> None:
        feeder.send_all(self._counted(events), per_second=per_second)

    def _counted(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if self._stopped.is_set():
                return
            self.sent += 1
            yield event
