"""Whether each consumer group lives and moves: looked at until it has, or for as long as a doctor waits."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.kafka.groups import member_count
from pipeline.kafka.records import PartitionLag, group_lag
from pipeline.ops.checks.check import Finding, Site
from pipeline.ops.topic_plan import HEALTH_GROUP, INTAKE_GROUP
from sinks.postgres.group import GROUP as SINK_GROUP
from sinks.postgres.reading import HealthReader

_AGAIN_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """
    A group that should be alive: what it reads, the command that starts it, and what helps where it lost
    records.

    *pulse* asks for a number that rises while a member lives, whether or not there is anything to read. It is
    asked only where the broker names no members.
    """

    group: str
    topics: tuple[str, ...]
    command: str
    if_lost: str
    pulse: Callable[[], int] = int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a group; *members* is None, and *pulse* counts, where the broker names no members."""

    lags: tuple[PartitionLag, ...]
    members: int | None
    pulse: int = 0

    @property
    def unread(self) -> int:
        """Records not yet read, over all partitions."""
        return sum(lag.records for lag in self.lags)

    @property
    def positions(self) -> Mapping[tuple[str, int], int]:
        """Committed offsets by topic and partition, -1 for none."""
        return {(lag.topic, lag.partition): _position(lag) for lag in self.lags}


def check_groups(site: Site) -> Iterator[Finding]:
    """Tell of each group whether it has members, lost records, stands still, or falls behind."""
    readers = _readers(site)
    first = {reader.group: _look(site, reader) for reader in readers}
    last, started = dict(first), time.monotonic()
    # On a quiet day ticks are all that moves.
    seconds = max(site.watch_seconds, 1.5 * site.settings.tick_seconds)
    while True:
        waited = time.monotonic() - started
        open_ = [r for r in readers if not _is_settled(first[r.group], last[r.group])]
        if not open_ or waited > seconds:
            break
        time.sleep(_AGAIN_SECONDS)
        last |= {reader.group: _look(site, reader) for reader in open_}
    for reader in readers:
        yield from judge(reader, first[reader.group], last[reader.group], seconds=waited)


def judge(reader: Reader, first: Look, last: Look, *, seconds: float) -> Iterator[Finding]:
    """Compare two looks at *reader*'s group, *seconds* apart."""
    lost = sum(max(0, lag.first - lag.committed) for lag in last.lags if lag.committed is not None)
    if lost:
        yield _failure(
            f"{reader.group}: {lost:,} records were deleted before it had read them", reader.if_lost
        )
    look = f"Look whether `{reader.command}` runs, and at what it logs."
    now, moved = last.unread, last.positions
    unread = [lag for lag in first.lags if lag.records and moved[lag.topic, lag.partition] < lag.end]
    # One partition may stand while others move: the intake holds back an input that is ahead of them in time.
    stands = bool(unread) and all(moved[lag.topic, lag.partition] == _position(lag) for lag in unread)
    if last.members == 0:
        says = f"{reader.group} has no live member, {now:,} records unread"
        yield _failure(says, f"Start `{reader.command}`.")
    elif stands:
        where = f"{unread[0].topic}[{unread[0].partition}]"
        says = f"{reader.group} stands still for {seconds:.0f} s, {where} for one; {now:,} records unread"
        yield _failure(says, look)
    elif unread:
        says = f"{reader.group}: {now:,} records unread, {first.unread:,} were {seconds:.0f} s before"
        if now >= first.unread:
            yield _failure(
                says, "It reads less than comes in: start another one, or look at its metrics and logs."
            )
        else:
            yield Finding(
                check="groups", state="warn", says=says, hint="It is catching up: look again later."
            )
    elif last.members is None and not _has_moved(first, last):
        says = f"{reader.group}: whether it runs cannot be told here, the embedded broker names no members"
        yield Finding(check="groups", state="warn", says=f"{says} and nothing came to be read", hint=look)
    elif not lost:
        members = "alive" if last.members is None else f"live members: {last.members}"
        yield Finding(check="groups", state="ok", says=f"{reader.group}: {members}, {now:,} records unread")


def _failure(says: str, hint: str) -> Finding:
    return Finding(check="groups", state="FAIL", says=says, hint=hint)


def _is_settled(first: Look, last: Look) -> bool:
    """
    Whether looking on would tell nothing new: it lives and has read all that was there, or nobody is there.
    """
    if last.members == 0:
        return True
    return _has_caught_up(first, last) and (last.members is not None or _has_moved(first, last))


def _has_caught_up(first: Look, last: Look) -> bool:
    """Whether everything that was unread at the *first* look has been read since."""
    moved = last.positions
    return all(not lag.records or moved[lag.topic, lag.partition] >= lag.end for lag in first.lags)


def _has_moved(first: Look, last: Look) -> bool:
    before, now = first.positions, last.positions
    return last.pulse > first.pulse or any(now[place] > before[place] for place in before)


def _position(lag: PartitionLag) -> int:
    return -1 if lag.committed is None else lag.committed


def _look(site: Site, reader: Reader) -> Look:
    members = member_count(site.client, reader.group)
    lags = tuple(group_lag(site.client, reader.group, reader.topics))
    return Look(lags=lags, members=members, pulse=reader.pulse() if members is None else 0)


def _readers(site: Site) -> list[Reader]:
    contract, sink = site.contract, site.contract.prefix + SINK_GROUP

    def stored() -> int:
        if not site.dsn:
            return 0
        with HealthReader(site.dsn) as reader:
            return reader.last_heard(sink)

    return [
        Reader(
            group=contract.prefix + INTAKE_GROUP,
            topics=tuple(topic.name for topic in contract.inputs),
            command="telltale worker intake",
            if_lost="Have their sources send that time again, and raise retention.ms of the topic.",
            pulse=lambda: site.log.end().watermark,
        ),
        Reader(
            group=contract.prefix + HEALTH_GROUP,
            topics=(contract.log.name,),
            command="telltale worker health",
            if_lost="The log is kept for good: set its retention.ms to -1, restore it from a backup, or begin again "
            "under another TELLTALE_TOPIC_PREFIX.",
        ),
        Reader(
            group=sink,
            topics=tuple(topic.name for topic in contract.outputs),
            command="telltale sink postgres",
            if_lost="`telltale verify` names the rows that miss; `telltale rebuild` writes the outputs again.",
            pulse=stored,
        ),
    ]
