"""
What ``telltale dlq`` does to dead letters: send them to their inputs again, or drop them, and mark them.

A marker is appended when the brokers have what it says, so a crash in between can only repeat: the record
bears the same event id, and its account counts it once.
"""

import getpass
import os
import socket
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from pipeline.kafka.client import Configuration
from pipeline.kafka.records import Appender, partitions_of
from pipeline.ops.dead_letter_reader import DeadLetter
from pipeline.wire.dead_letters import MOST_UNMARKED, Done, ReplayMarker, headers_again

CURABLE: Final = ("unresolved_account", "ambiguous_account", "unknown_schema", "unsupported_action")
"""Codes whose cause is not in the record: an account's facts, an unregistered schema, or the release."""


def send_again(
    client: Configuration, dead_letters: Iterable[DeadLetter], *, rate: float | None, why: str
) -> Iterator[DeadLetter]:
    """
    Send *dead_letters* to their inputs again, at most *rate* records a second, and mark them; yields each
    when it is marked.

    Key, value and the sender's headers are as received. The partition is the dead letter's own, which is the
    record's where the input has as many as before.
    """
    # Of a slow replay a second's worth is marked at a time, so that a crash repeats no more.
    at_once = MOST_UNMARKED if rate is None else max(1, min(MOST_UNMARKED, int(rate)))
    counts: dict[str, int] = {}
    waiting, sent, began = iter(dead_letters), 0, time.monotonic()
    with Appender(client) as appender:
        while together := list(islice(waiting, at_once)):
            for dead_letter in together:
                if rate is not None:
                    time.sleep(max(0.0, began + sent / rate - time.monotonic()))
                if dead_letter.input.name not in counts:
                    counts[dead_letter.input.name] = len(partitions_of(client, dead_letter.input.name))
                record = dead_letter.record
                partition = record.partition % counts[dead_letter.input.name]
                headers = headers_again(record.headers)
                appender.append(
                    dead_letter.input.name, record.key, record.value, partition=partition, headers=headers
                )
                sent += 1
            appender.flush()
            _mark(appender, together, "replayed", why)
            appender.flush()
            yield from together


def drop_dead_letters(
    client: Configuration, dead_letters: Iterable[DeadLetter], *, why: str
) -> Iterator[DeadLetter]:
    """
    Mark *dead_letters* as done for good; yields each when it is marked. Their bytes stay until retention
    takes them.
    """
    waiting = iter(dead_letters)
    with Appender(client) as appender:
        while together := list(islice(waiting, MOST_UNMARKED)):
            _mark(appender, together, "dropped", why)
            appender.flush()
            yield from together


def _mark(appender: Appender, dead_letters: Iterable[DeadLetter], done: Done, why: str) -> None:
    by = f"{_user()}@{socket.gethostname()}"
    for dead_letter in dead_letters:
        record = dead_letter.record
        marker = ReplayMarker(offset=record.offset, done=done, by=by, why=why)
        appender.append(record.topic, None, b"", partition=record.partition, headers=marker.headers())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container runs as a number that has no name.
        return str(os.getuid())
