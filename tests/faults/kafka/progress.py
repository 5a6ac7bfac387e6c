"""
How far a pipeline's groups have come, asked of the broker all the time, and how long each partition stood
still.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public by its documentation

Place = tuple[str, int]
"""Topic and partition."""

_LOOK_SECONDS = 0.25
_REQUEST_SECONDS = 10.0


class GroupView:
    """Ends and commits of one *group* in *topics*; a partition nobody committed stands at 0."""

    def __init__(self, brokers: str, group: str, topics: Sequence[str]) -> None:
        client: dict[str, Any] = {"bootstrap.servers": brokers, "log_level": 0}
        self._admin = AdminClient(client)
        self._consumer = Consumer(client | {"group.id": group, "enable.auto.commit": False})
        known = self._admin.list_topics(timeout=_REQUEST_SECONDS).topics
        self._places = [
            TopicPartition(topic, number) for topic in topics for number in sorted(known[topic].partitions)
        ]

    def ends(self) -> dict[Place, int]:
        """Offset behind the last record of every partition; raises KafkaException while no broker answers."""
        asked: dict[TopicPartition, Any] = dict.fromkeys(self._places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(asked, request_timeout=_REQUEST_SECONDS)
        return {(tp.topic, tp.partition): answer.result().offset for tp, answer in answers.items()}

    def committed(self) -> dict[Place, int]:
        """Where the group reads on; raises KafkaException while no broker answers."""
        answers = self._consumer.committed(self._places, timeout=_REQUEST_SECONDS)
        return {(tp.topic, tp.partition): max(0, tp.offset) for tp in answers}

    def close(self) -> None:
        """Leave the broker alone."""
        self._consumer.close()


class Progress:
    """
    Watches *views* while a with-block runs.

    A partition stands still while it has records its group has not committed and no commit moves; how long
    the worst one did is ``longest_stall``, since the last ``forget``.
    """

    def __init__(self, views: Mapping[str, GroupView]) -> None:
        self._views = views
        self._moved: dict[tuple[str, Place], tuple[int, float]] = {}
        self._longest: dict[str, tuple[float, Place | None]] = {}
        self._change = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        for view in self._views.values():
            view.close()

    def forget(self) -> None:
        """Begin again: for a moment when a broker comes back, after which progress is owed again."""
        with self._change:
            self._moved.clear()
            self._longest.clear()

    def longest_stall(self) -> dict[str, tuple[float, Place | None]]:
        """By group: seconds the partition stood still that stood still the longest, and which it was."""
        with self._change:
            return dict(self._longest)

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            for name, view in self._views.items():
                try:
                    # Ends first: what is committed later may only be more.
                    ends, committed = view.ends(), view.committed()
                except KafkaException:
                    continue
                with self._change:
                    self._note(name, ends, committed)

    def _note(self, name: str, ends: Mapping[Place, int], committed: Mapping[Place, int]) -> None:
        now = time.monotonic()
        for place, end in ends.items():
            at, since = self._moved.get((name, place), (-1, now))
            if committed[place] != at or committed[place] >= end:
                self._moved[name, place] = (committed[place], now)
                stood = now - since if committed[place] != at and at >= 0 else 0.0
            else:
                stood = now - since
            if stood > self._longest.get(name, (-1.0, None))[0]:
                self._longest[name] = (stood, place)
