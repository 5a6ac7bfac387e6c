"""Events on their way into the input topics, as if their systems of record sent them now."""

from types import TracebackType
from typing import Self

from pipeline.intake.event_types import BY_NAME
from pipeline.intake.received import Received
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Appender
from pipeline.ops.backpressure import Pace
from pipeline.wire.contract import Contract
from pipeline.wire.inputs import InputEncoder
from pipeline.wire.registry import Registry


class LiveInput:
    """
    Sends events to their topics, each under its key; a with-block ends when all are acknowledged.

    *sent* counts them. Accounts are acknowledged before anything that follows them is sent, because an event
    may have to be placed by what its account says.
    """

    def __init__(
        self, client: Configuration, contract: Contract, registry: Registry, pace: Pace | None = None
    ) -> None:
        self.sent = 0
        self._encoder = InputEncoder(contract, registry)
        self._topics = {name: contract.input(event_type.source).name for name, event_type in BY_NAME.items()}
        self._appender = Appender(client, pace.delivered if pace else None)
        self._pace = pace
        self._accounts_on_the_way = False

    def send(self, event: Received) -> None:
        """Send one event; its key is used, its timestamp and its position are not. Raises KafkaFailed."""
        if event.event == "account":
            self._accounts_on_the_way = True
        elif self._accounts_on_the_way:
            self.flush()
        value = None if event.value is None else self._encoder.encode(event.event, event.value)
        self._appender.append(self._topics[event.event], event.key, value)
        self.sent += 1
        if self._pace is not None:
            self._pace.wait(self._appender, len(event.key or b"") + len(value or b""))

    def flush(self) -> None:
        """Wait until everything sent is acknowledged."""
        self._appender.flush()
        self._accounts_on_the_way = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._appender.__exit__(kind, error, trace)
