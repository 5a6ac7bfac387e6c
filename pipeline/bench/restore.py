"""How long a worker that died takes to have its state back, and what a state weighs."""

import json
import time
from statistics import fmean

from pipeline.bench.changelog import Changelog, read_changelog
from pipeline.bench.fold import append_log, make_log
from pipeline.bench.results import Result, result
from pipeline.bench.stage import BenchFailed, Stage, Worker
from pipeline.ops.topic_plan import HEALTH_GROUP, changelog_name
from pipeline.wire.contract import Contract

_EVENTS_AN_ACCOUNT = 3
_SESSION_SECONDS = 6
"""The least that settings allow: how long the broker waits for a dead worker is no part of the result."""


def measure_restore(stage: Stage, *, accounts: int, rounds: int) -> list[Result]:
    """
    Fold a log of *accounts* into the changelog; then, once a round, kill the worker and start it again.

    It is started when the broker has given the dead one up.
    """
    stage.say(f"restore: writing and folding a log about {accounts:,} accounts")
    contract = stage.contract()
    stage.make_topics(contract)
    log = make_log(accounts, accounts * _EVENTS_AN_ACCOUNT, skew=0)
    append_log(stage, contract, log.entries)
    worker = _start(stage, contract)
    stage.wait_until_read(contract.prefix + HEALTH_GROUP, [contract.log.name], worker)
    changelog = read_changelog(stage.client, changelog_name(contract))

    seconds, memory = [], []
    for number in range(1, rounds + 1):
        worker.kill()
        time.sleep(_SESSION_SECONDS + 2)
        begin = time.time()
        worker = _start(stage, contract)
        seconds.append(worker.wait_until_ready())
        usage = worker.usage(begin, time.time())
        memory.append(usage.resident_bytes / 1e6 if usage else None)
        _check_restored(worker, accounts)
        stage.say(f"restore: round {number} of {rounds}, {seconds[-1]:.1f} s")
    worker.stop()
    return [
        result("restore", "process start to ready", "s", seconds),
        result("restore", "memory", "MB", memory),
        result("restore", "accounts", "", [accounts]),
        result("restore", "changelog records", "", [changelog.records]),
        result("restore", "changelog", "MB", [changelog.size / 1e6]),
        *_sizes(changelog),
    ]


def _start(stage: Stage, contract: Contract) -> Worker:
    session = {"TELLTALE_SESSION_SECONDS": str(_SESSION_SECONDS)}
    return stage.start("pipeline.cli", "worker", "health", prefix=contract.prefix, **session)


def _check_restored(worker: Worker, accounts: int) -> None:
    lines = [json.loads(line) for line in worker.said().splitlines() if line.startswith("{")]
    restored = sum(line["accounts"] for line in lines if line["event"] == "partition.restored")
    if restored != accounts:
        raise BenchFailed(f"the worker says it is ready with {restored:,} of {accounts:,} accounts")


def _sizes(changelog: Changelog) -> list[Result]:
    sizes = [len(value) for value in changelog.states.values()]
    return [
        result("restore", "account state, mean", "bytes", [fmean(sizes)]),
        result("restore", "account state, largest", "bytes", [max(sizes)]),
    ]
