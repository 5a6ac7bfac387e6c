"""
The demo's live minutes: sends each event at its time, hears every alert, and knows which stories were told.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from itertools import takewhile
from types import TracebackType
from typing import Any, NamedTuple, Self

from pipeline.cli.alert_text import delivery_seconds
from pipeline.cli.demo_screen import DemoScreen
from pipeline.embedded.processes import ProcessTree
from pipeline.intake.received import Received
from pipeline.kafka.client import Configuration
from pipeline.kafka.records import follow_topic
from pipeline.ops.input_writer import LiveInput
from pipeline.simulate.demo import LIVE_SECONDS, DemoPlan
from pipeline.simulate.portfolio import ToldStory
from pipeline.wire.contract import Contract
from pipeline.wire.ndjson import EventLines
from pipeline.wire.outputs import OutputDecoder
from pipeline.wire.registry import open_registry

_PATIENCE_SECONDS = 20.0
"""How much longer than planned a story may take before it counts as missing."""


class Told(NamedTuple):
    """A story of the plan and the alert that told it, *seconds* after its event or due moment."""

    story: ToldStory
    alert: Mapping[str, Any]
    seconds: float


class LiveStage:
    """
    Hears alerts for the length of a with-block, and sends events from ``play`` on, each in a thread of its
    own.

    Alerts of history are passed over. Those of the present are heard while history is still being scored,
    since on a slow machine a story may be due by then, and shown once it plays.
    """

    def __init__(
        self, plan: DemoPlan, *, client: Configuration, contract: Contract, screen: DemoScreen
    ) -> None:
        self.told: list[Told] = []
        self._plan = plan
        self._client = client
        self._contract = contract
        self._screen = screen
        self._expected = {story.account_id: story for story in plan.stories if story.signs}
        self._playing = threading.Event()
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._playing.set()
        for thread in self._threads:
            thread.join()

    def play(self, tree: ProcessTree, *, stop_early: bool) -> None:
        """Return after the last planned moment, with *stop_early* as soon as every story was told."""
        self._screen.live(self._plan)
        self._playing.set()
        self._start(self._send)
        end = self._plan.now.timestamp() + LIVE_SECONDS
        patience = max(story.ends.timestamp() for story in self._expected.values()) + _PATIENCE_SECONDS
        while time.time() < (patience if stop_early else end):
            if stop_early and not self.untold():
                return
            tree.wait(0.1)
            if self._failure is not None:
                raise self._failure

    def untold(self) -> list[ToldStory]:
        """The stories no alert has told yet."""
        told = {told.story.account_id for told in self.told}
        return [story for account_id, story in self._expected.items() if account_id not in told]

    def _start(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - raised again in play, where somebody listens
                self._failure = error

        thread = threading.Thread(target=guarded, name=work.__name__, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _hear(self) -> None:
        decoder = OutputDecoder(self._contract, open_registry(self._contract))
        topic = self._contract.alert.name
        for record in follow_topic(self._client, topic, self._over.is_set):
            assert record.value is not None, "the alert topic has no tombstones"
            heard_at = time.time()
            alert = decoder.decode(topic, record.value)
            if alert["as_of"] / 1000 >= self._plan.now.timestamp():
                self._playing.wait()
                self._note(alert, heard_at)

    def _note(self, alert: Mapping[str, Any], heard_at: float) -> None:
        story = self._expected.get(alert["account_id"])
        tells = story is not None and alert["transition"] == "OPENED" and alert["sign"] in story.signs
        if story is not None and tells and story in self.untold():
            self.told.append(Told(story, alert, delivery_seconds(alert, heard_at)[0]))
        self._screen.alert(alert, heard_at)

    def _send(self) -> None:
        lines = EventLines(self._contract)
        storied = {story.account_id for story in self._plan.stories}
        with LiveInput(self._client, self._contract, open_registry(self._contract)) as live:
            # The directory is the account topic: without it no external id or domain would find its account.
            for line in takewhile(lambda line: line["type"] == "account", self._plan.history()):
                live.send(_received(lines, line))
            for event in self._plan.live:
                due = self._plan.now.timestamp() + event.seconds
                if self._over.wait(max(0.0, due - time.time())):
                    return
                live.send(_received(lines, event.line))
                live.flush()
                if event.line.get("account_id") in storied:
                    self._screen.event(event.line)


def _received(lines: EventLines, line: Mapping[str, Any]) -> Received:
    received = lines.read(json.dumps(line).encode())
    assert isinstance(received, Received), received
    return received
