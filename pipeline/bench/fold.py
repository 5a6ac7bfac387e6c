"""
How fast health folds a log that is already there, beside the yardstick: the same fold behind a plain Faust
agent.

Three runs a round, each with a copy of the log, a group, a changelog and outputs of its own: the health
worker and the yardstick on the log's first events, and the health worker on all of it. Only the first two do
the same work; they also have to end with the same states and the same outputs, byte for byte.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agents.yardstick import CHANGELOG as YARDSTICK_CHANGELOG
from agents.yardstick import GROUP as YARDSTICK_GROUP
from pipeline.bench.changelog import (
    Changelog,
    Stretch,
    differing_states,
    read_changelog,
    read_outputs,
)
from pipeline.bench.load import Customers, log_entries
from pipeline.bench.machine import Usage
from pipeline.bench.results import Result, ratio, result
from pipeline.bench.stage import PARTITIONS, BenchFailed, Stage, Worker
from pipeline.health.events import LogEntry, Scorecards
from pipeline.kafka.records import Appender, offsets
from pipeline.kafka.topics import TopicPlan
from pipeline.ops.topic_plan import HEALTH_GROUP, changelog_name
from pipeline.scorecards import load_scorecards
from pipeline.wire.contract import Contract
from pipeline.wire.log import LogCodec
from pipeline.wire.registry import EmbeddedRegistry

YARDSTICK_EVENTS: Final = 60_000
"""Events of the log that the yardstick gets, after the accounts' facts: more would only take longer."""

TICK_MS: Final = 10_000
EVENT_MS: Final = 2
"""Log time between two events: 500 a second."""

_BEGIN: Final = 1_767_603_600_000  # 5 January 2026, 09:00 UTC: any morning does, but always the same one
_ALL: Final = "health"
_HEAD: Final = "health, same log as yardstick"
_YARDSTICK: Final = "yardstick"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedLog:
    """Keys and values in log order, an empty key for every partition; *head* of them are the yardstick's."""

    entries: Sequence[tuple[bytes, bytes]]
    head: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    One engine over one log: when it was done, what it used, and what it wrote into the topics of *contract*.
    """

    contract: Contract
    stretch: Stretch
    usage: Usage | None
    changelog: Changelog
    outputs: int
    last_words: str


def make_log(accounts: int, events: int, *, skew: float) -> EncodedLog:
    """
    Scorecards, the facts of all accounts, then *events*, with ticks among them; see ``Customers`` for *skew*.
    """
    contract = Contract.load()
    encode = LogCodec(contract, EmbeddedRegistry(contract)).encode
    customers = Customers(accounts, skew=skew)
    scorecards = LogEntry(_BEGIN, "", 0, 0, Scorecards(list(load_scorecards().documents)))
    facts = log_entries(customers.facts(_BEGIN), tick_ms=TICK_MS)
    moments = range(_BEGIN + TICK_MS, _BEGIN + TICK_MS + events * EVENT_MS, EVENT_MS)
    later = log_entries(customers.events(moments), tick_ms=TICK_MS)
    keys: dict[str, bytes] = {}
    entries = [(b"", encode(scorecards))]
    entries += [(keys.setdefault(account, account.encode()), encode(entry)) for account, entry in facts]
    seen, head = 0, 0
    for account, entry in later:
        entries.append((keys.setdefault(account, account.encode()), encode(entry)))
        seen += bool(account)
        if seen <= YARDSTICK_EVENTS:
            head = len(entries)
    return EncodedLog(entries=entries, head=head)


def append_log(stage: Stage, contract: Contract, entries: Sequence[tuple[bytes, bytes]]) -> None:
    """Append *entries* to the log of *contract*; returns when all are acknowledged."""
    topic = contract.log.name
    with Appender(stage.client) as appender:
        for key, value in entries:
            if key:
                appender.append(topic, key, value)
            else:
                for partition in range(PARTITIONS):
                    appender.append(topic, key, value, partition=partition)


def measure_fold(
    stage: Stage, measure: str, *, accounts: int, events: int, skew: float, rounds: int
) -> list[Result]:
    """Run all rounds; the results' measure is called *measure*."""
    stage.say(f"{measure}: making a log of {events:,} events about {accounts:,} accounts")
    log = make_log(accounts, events, skew=skew)
    gc.freeze()  # A million tuples, which no collection need look at again.
    runs: dict[str, list[Run]] = {_ALL: [], _HEAD: [], _YARDSTICK: []}
    differing = []
    for number in range(1, rounds + 1):
        head = log.entries[: log.head]
        one = run_health(stage, head)
        other = run_yardstick(stage, head)
        differing.append(differing_records(stage, one, other))
        if differing[-1]:
            raise BenchFailed(
                f"{measure}: health and yardstick differ in {differing[-1]} states or outputs, so they did not do the same work",
                hint=f"The yardstick said:\n{other.last_words}",
            )
        whole = one if log.head == len(log.entries) else run_health(stage, log.entries)
        for engine, run in ((_HEAD, one), (_YARDSTICK, other), (_ALL, whole)):
            run.changelog.states.clear()
            runs[engine].append(run)
            stage.say(
                f"{measure}: round {number} of {rounds}, {engine}: {run.stretch.rate or 0:,.0f} events/s"
            )
    gc.unfreeze()
    return [*_metrics(measure, runs), result(measure, "states and outputs that differ", "", differing)]


def run_health(stage: Stage, entries: Sequence[tuple[bytes, bytes]]) -> Run:
    """The health worker, as ``telltale worker health`` starts it, over a log of *entries*."""
    contract = stage.contract()
    changelog = changelog_name(contract)
    stage.make_topics(contract, {*_topics(contract), changelog})
    append_log(stage, contract, entries)
    with stage.start("pipeline.cli", "worker", "health", prefix=contract.prefix) as worker:
        worker.wait_until_ready()
        ready_at = time.time()
        stage.wait_until_read(contract.prefix + HEALTH_GROUP, [contract.log.name], worker)
    return _run(stage, contract, worker, changelog, ready_at)


def run_yardstick(stage: Stage, entries: Sequence[tuple[bytes, bytes]]) -> Run:
    """The yardstick over a log of *entries*."""
    contract = stage.contract()
    changelog = contract.prefix + YARDSTICK_CHANGELOG
    compacted = TopicPlan(name=changelog, partitions=None, settings={"cleanup.policy": "compact"})
    stage.make_topics(contract, _topics(contract), more=[compacted])
    append_log(stage, contract, entries)
    options = ("--brokers", stage.brokers, "--partitions", str(PARTITIONS), "--prefix", contract.prefix)
    with stage.start("agents.yardstick", *options, prefix=contract.prefix) as worker:
        stage.wait_until_read(contract.prefix + YARDSTICK_GROUP, [contract.log.name], worker)
    # Read after the stop: Faust commits what its producer has yet to send.
    return _run(stage, contract, worker, changelog, None)


def differing_records(stage: Stage, one: Run, other: Run) -> int:
    """
    Accounts whose last states differ, and accounts whose outputs in one topic do: 0 if both runs did the
    same.
    """
    first, second = (read_outputs(stage.client, run.contract) for run in (one, other))
    outputs = sum(first.get(place) != second.get(place) for place in first.keys() | second.keys())
    return differing_states(one.changelog, other.changelog) + outputs


def _topics(contract: Contract) -> set[str]:
    return {topic.name for topic in (contract.log, *contract.outputs)}


def _run(
    stage: Stage, contract: Contract, worker: Worker, changelog_topic: str, ready_at: float | None
) -> Run:
    """What *worker*, which has stopped, wrote and used."""
    changelog = read_changelog(stage.client, changelog_topic)
    stretch = changelog.stretch(ready_at)
    outputs = offsets(stage.client, [topic.name for topic in contract.outputs])
    return Run(
        contract=contract,
        stretch=stretch,
        usage=worker.usage(stretch.begin, stretch.end),
        changelog=changelog,
        outputs=sum(end - first for first, end in outputs.values()),
        last_words=worker.last_words(),
    )


def _metrics(measure: str, runs: Mapping[str, Sequence[Run]]) -> list[Result]:
    def of(name: str, unit: str, value: Callable[[Run], float | None]) -> list[Result]:
        return [result(measure, f"{engine}: {name}", unit, map(value, runs[engine])) for engine in runs]

    def against_yardstick(engine: str) -> list[float | None]:
        return [
            ratio(run.stretch.rate, yardstick.stretch.rate)
            for run, yardstick in zip(runs[engine], runs[_YARDSTICK], strict=True)
        ]

    return [
        *of("rate", "events/s", lambda run: run.stretch.rate),
        *(
            result(measure, f"{engine} / yardstick", "x", against_yardstick(engine))
            for engine in (_ALL, _HEAD)
        ),
        *of("CPU", "us/event", _cpu_us),
        *of("memory", "MB", lambda run: run.usage.resident_bytes / 1e6 if run.usage else None),
        *of("changelog records", "1/event", lambda run: run.changelog.records / run.changelog.entries),
        *of("changelog", "bytes/event", lambda run: run.changelog.size / run.changelog.entries),
        *of("outputs", "1/event", lambda run: run.outputs / run.changelog.entries),
        *of("busy cores, all processes", "", lambda run: run.usage.busy_cores if run.usage else None),
    ]


def _cpu_us(run: Run) -> float | None:
    return 1e6 * run.usage.cpu_seconds / run.stretch.entries if run.usage and run.stretch.entries else None
