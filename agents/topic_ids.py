"""
Whether topics are still those they were: one that was deleted and recreated has its name, and
begins its offsets at 0.

A broker tells them apart by an id; the embedded one tells none. A worker asks at its start, and as long as it
runs: what it would read under the old name belongs to nothing that it knows.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from agents.lane.fences import Exit, stop
from pipeline.errors import TelltaleError

_EVERY_SECONDS = 10.0


def recreated(known: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A sentence about each topic of *known* that has another id *now*; none or an empty one is no other."""
    return [
        f"{topic} was deleted and recreated: its id was {topic_id} and is {now[topic]}"
        for topic, topic_id in known.items()
        if now.get(topic) not in {None, "", topic_id}
    ]


class TopicIds:
    """
    The ids of some topics as they were at the start; another one ends the process with *code*.

    *ask* gets the ids there are now from a broker, by topic; it may block, and raise TelltaleError. A topic
    that is missing, or whose id is empty, is not judged.
    """

    def __init__(self, ask: Callable[[], Mapping[str, str]], code: Exit) -> None:
        self.ids: Mapping[str, str] = {}
        """By topic; empty before ``watched``."""
        self._ask = ask
        self._code = code

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Learn the ids, and watch them for the length of the block."""
        self.ids = await asyncio.to_thread(self._ask)
        over = threading.Event()
        # Not in the loop's executor: a request that nobody answers would hold up the end of the process.
        threading.Thread(target=self._watch, args=(over,), name="topic ids", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def check(self) -> None:
        """Ask now; ends the process if a topic is another one."""
        for change in recreated(self.ids, self._ask()):
            stop(self._code, change)

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_EVERY_SECONDS):
            with suppress(TelltaleError):  # Nobody answers: then nobody reads either.
                self.check()
