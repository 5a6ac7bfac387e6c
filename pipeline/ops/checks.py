"""
What ``telltale doctor`` looks at. A check is a function that looks and changes nothing, and a line in ``CHECKS``.

What it raises as an error for people is its finding too.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pipeline
from pipeline.errors import TelltaleError
from pipeline.kafka.client import client_configuration, is_embedded, wait_for_broker
from pipeline.kafka.records import group_lag
from pipeline.kafka.topics import inspect_topics
from pipeline.ops.account_log import AccountLog
from pipeline.ops.dead_letter_reader import OPEN, read_letters
from pipeline.ops.text_rows import moment
from pipeline.ops.topic_plan import HEALTH_GROUP, INTAKE_GROUP, planned_topics, way_out
from pipeline.scorecards import load_scorecards
from pipeline.settings import Settings
from pipeline.wire.compatibility import incompatibilities
from pipeline.wire.contract import Contract
from pipeline.wire.registry import open_registry
from sinks.postgres import migrations
from sinks.postgres.group import GROUP as SINK_GROUP
from sinks.postgres.reading import HealthReader
from sinks.postgres.repair import sink_repair

State = Literal["ok", "warn", "FAIL"]

_BROKER_SECONDS: Final = 5.0
_CLOCK_STANDS_SECONDS: Final = 60.0
_SKEW_SECONDS: Final = 5.0  # From here on the intake writes no tick.
_LARGE_LAG: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; *way_out* where the state is not ok."""

    check: str
    state: State
    says: str
    way_out: str = ""


class Site:
    """The place that is looked at, by its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.contract = Contract.load(settings.topic_prefix)
        self.client = client_configuration(settings.brokers, settings.security)
        self.dsn = settings.database_url.get_secret_value()

    @cached_property
    def log(self) -> AccountLog:
        """The account log."""
        registry = open_registry(self.contract, self.settings.registry_url.get_secret_value())
        return AccountLog(self.client, self.contract, registry, partitions=self.settings.partitions)


class NotSet(TelltaleError):  # noqa: N818 - reads as what happened
    """A setting that the check is about."""


def _packages(_site: Site) -> Iterator[Finding]:
    ours = Path(pipeline.__file__).parents[1]
    found = importlib.util.find_spec("agents")
    origin = Path(found.origin).parents[1] if found and found.origin else None
    if origin == ours:
        yield Finding(check="packages", state="ok", says=f"pipeline, agents and sinks of {ours}")
    else:
        yield Finding(
            check="packages",
            state="FAIL",
            says=f"the package agents is somebody else's, of {origin}",
            way_out="Install Telltale into an environment of its own: openai-agents, for one, has a package of that name.",
        )


def _broker(site: Site) -> Iterator[Finding]:
    if not site.settings.brokers:
        raise NotSet("TELLTALE_BROKERS is not set", hint="Set it to host:port of a Kafka broker.")
    wait_for_broker(site.client, timeout_seconds=_BROKER_SECONDS)
    kind = "embedded, in memory" if is_embedded(site.client) else "Apache Kafka's protocol"
    yield Finding(check="broker", state="ok", says=f"{site.settings.brokers}, {kind}")


def _topics(site: Site) -> Iterator[Finding]:
    findings = inspect_topics(site.client, planned_topics(site.contract, site.settings.partitions))
    missing = [finding.name for finding in findings if finding.state == "missing"]
    differing = [finding for finding in findings if finding.differences]
    if missing:
        says = f"{len(missing)} of {len(findings)} are missing: {', '.join(missing[:3])}{' ...' * (len(missing) > 3)}"
        yield Finding(check="topics", state="FAIL", says=says, way_out="Run `telltale topics apply`.")
    for finding in differing:
        yield Finding(
            check="topics",
            state="FAIL" if finding.has_other_partition_count else "warn",
            says=f"{finding.name}: {'; '.join(finding.differences)}",
            way_out=way_out(site.settings, [finding]),
        )
    if not missing and not differing:
        yield Finding(check="topics", state="ok", says=f"all {len(findings)} are as declared")


def _schemas(site: Site) -> Iterator[Finding]:
    faults = incompatibilities(site.contract)
    for fault in faults:
        yield Finding(
            check="schemas",
            state="FAIL",
            says=fault,
            way_out="Change the schema; see `telltale schemas check`.",
        )
    url = site.settings.registry_url.get_secret_value()
    registry = open_registry(site.contract, url)
    topics = [topic for topic in site.contract.topics.values() if topic.schema is not None]
    for topic in topics:
        registry.id_for(topic)
    if not faults:
        where = "the registry" if url else "schemas/registry.yaml"
        yield Finding(
            check="schemas", state="ok", says=f"{len(topics)} are compatible and registered in {where}"
        )


def _scorecards(site: Site) -> Iterator[Finding]:
    cards = load_scorecards(site.settings.scorecards)
    names = ", ".join(f"{card.name} {card.version}" for card in cards.cards)
    in_force = site.log.end().scorecards
    # Where none stands among the newest entries, others may stand further back: only a difference is known for sure.
    if any(documents != cards.documents for documents in in_force.values()):
        yield Finding(
            check="scorecards",
            state="warn",
            says=f"the log has others in force than the files say ({names})",
            way_out="`telltale scorecards apply` puts the files in force.",
        )
    else:
        yield Finding(check="scorecards", state="ok", says=names)


def _database(site: Site) -> Iterator[Finding]:
    if not site.dsn:
        raise NotSet(
            "TELLTALE_DATABASE_URL is not set", hint="Set it to postgresql://user:password@host/database."
        )
    current, head = migrations.current(site.dsn), migrations.head()
    if current == head:
        yield Finding(check="database", state="ok", says=f"at {head}")
    else:
        says = f"at {current or 'no revision'}, and {head} is needed"
        yield Finding(check="database", state="FAIL", says=says, way_out="Run `telltale db upgrade`.")


def _clock(site: Site) -> Iterator[Finding]:
    clock = site.log.end().clock
    age = time.time() - clock / 1000
    if not clock:
        says, help_ = "no tick is in the log yet: no time has passed in it", "Start `telltale worker intake`."
        yield Finding(check="clock", state="warn", says=says, way_out=help_)
    elif age < -_SKEW_SECONDS:
        says = f"the log is {-age:.0f} s ahead of this machine"
        yield Finding(
            check="clock", state="FAIL", says=says, way_out="Set the clocks of the machines, by NTP."
        )
    elif age > max(_CLOCK_STANDS_SECONDS, 3 * site.settings.tick_seconds):
        says = f"the log's time stands since {moment(clock):%Y-%m-%d %H:%M:%S} UTC, for {age:.0f} s"
        help_ = (
            "Look whether `telltale worker intake` runs, and at what it logs: clock.waiting, clock.refused."
        )
        yield Finding(check="clock", state="FAIL", says=says, way_out=help_)
    else:
        yield Finding(check="clock", state="ok", says=f"the log's last tick is {max(0.0, age):.0f} s old")


def _lag(site: Site) -> Iterator[Finding]:
    contract = site.contract
    outputs = [topic.name for topic in contract.outputs]
    reads = {
        INTAKE_GROUP: [topic.name for topic in contract.inputs],
        HEALTH_GROUP: [contract.log.name],
        SINK_GROUP: outputs,
    }
    for group, topics in reads.items():
        lags = group_lag(site.client, contract.prefix + group, topics)
        records = sum(lag.records for lag in lags)
        says, state = f"{group}: {records:,} records unread", _state(records > _LARGE_LAG)
        if all(lag.committed is None for lag in lags):
            says, state = f"{group} has read nothing yet, {records:,} records wait", _state(records > 0)
        way = "Look whether it runs, and at what it logs." if state != "ok" else ""
        yield Finding(check="lag", state=state, says=says, way_out=way)


def _dead_letters(site: Site) -> Iterator[Finding]:
    count = sum(letter.state in OPEN for letter in read_letters(site.client, site.contract))
    way = "`telltale dlq stats` counts them by code and says what helps." if count else ""
    yield Finding(check="letters", state=_state(count > 0), says=f"dead letters: {count:,}", way_out=way)


def _rows(site: Site) -> Iterator[Finding]:
    with HealthReader(site.dsn) as reader:
        fresh = reader.freshness()
    says = f"{fresh.accounts:,} accounts"
    if fresh.newest_committed_at is not None:
        says += f", the newest row is {(fresh.now - fresh.newest_committed_at).total_seconds():.0f} s old"
    if fresh.row_seconds_p99 is not None:
        says += f", 99 % of the last hour's were stored within {fresh.row_seconds_p99:.1f} s"
    yield Finding(check="rows", state="ok", says=says)


def _rejected(site: Site) -> Iterator[Finding]:
    with sink_repair(site.dsn, group=site.contract.prefix + SINK_GROUP) as repair:
        count = sum(repair.rejected_by_code().values())
    way = "`telltale sink rejected` says why; when that is mended, `telltale sink retry` stores them."
    says = f"records the Postgres sink set aside: {count:,}"
    yield Finding(check="rejected", state=_state(count > 0), says=says, way_out=way if count else "")


def _state(worth_a_look: bool) -> State:  # noqa: FBT001 - reads like the condition it is
    return "warn" if worth_a_look else "ok"


class Check(NamedTuple):
    """A check by the name it is printed under; *needs* is the check without which it makes no sense."""

    name: str
    look: Callable[[Site], Iterator[Finding]]
    needs: str | None = None


CHECKS: Final[Sequence[Check]] = (
    Check("packages", _packages),
    Check("broker", _broker),
    Check("topics", _topics, needs="broker"),
    Check("schemas", _schemas),
    Check("scorecards", _scorecards, needs="topics"),
    Check("database", _database),
    Check("clock", _clock, needs="topics"),
    Check("lag", _lag, needs="topics"),
    Check("letters", _dead_letters, needs="topics"),
    Check("rows", _rows, needs="database"),
    Check("rejected", _rejected, needs="database"),
)
"""Every check, in the order in which one should look."""
