"""
The oracle: holds what the pipeline left against the ground truth, and names every promise that was broken.

    violations = judge(truth, gather(brokers, prefix=...), database=dsn)

Call it at rest: everything sent is processed (``settling.wait_for_lag_0``) and the workers are stopped. Each
violation is a line that opens with the invariant: *I1* every accepted event is applied or a dead letter, *I2*
each counts once, *I3* versions without gaps, repeats byte for byte, *I4* snapshot and state are what was
sent, *I5* alerts, *I7* nothing personal behind the intake, *SQL* Postgres holds what the topics hold.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from tests.faults.database_check import rows_differ
from tests.faults.evidence import ALERT, CHANGE, CURRENT, Entry, Evidence, Output
from tests.faults.generator import CANARY, TOPICS
from tests.faults.ground_truth import GroundTruth, Send
from tests.faults.naive import Counted, count_in_log_order, say
from tests.faults.state_words import state_says

_POINTS: Final = 0.011
"""Points of components sum to the change within 0.01, and floats lose a little on the way."""


def judge(
    ground_truth: GroundTruth,
    found: Evidence,
    *,
    database: str | None = None,
    horizon_may_be_left: bool = False,
) -> list[str]:
    """
    Every violation, one line each; settles the ground truth's unknown sends first.

    *database* is the address of the sink's Postgres, if there is one. *horizon_may_be_left* allows repeats
    that stand further apart in the log than ids are remembered; they must then count twice, exactly.
    """
    lost = ground_truth.settle(found.present)
    counted = _walk(found)
    return [
        *(f"broker: {line}" for line in lost),
        *_applied_or_dead(ground_truth, found),
        *_counted_once(ground_truth, found, counted, horizon_may_be_left=horizon_may_be_left),
        *_states(ground_truth, found, counted),
        *_versions(found),
        *_alerts(found),
        *_personal(found),
        *(() if database is None else rows_differ(database, found.outputs)),
    ]


# -- I1, I2: events


def _applied_or_dead(ground_truth: GroundTruth, found: Evidence) -> Iterator[str]:
    sent = {(send.account_id, send.kind, send.event_id) for send in ground_truth.sends}
    places = {(send.topic, send.partition, send.offset): send for send in ground_truth.sends}
    logged: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in (entry for entries in found.entries.values() for entry in entries):
        identity = (entry.account_id, entry.kind, entry.event_id)
        logged[identity].append(entry)
        # A producer that tries again without idempotence has its record there twice; the ground truth knows
        # one place.
        origin = places.get((TOPICS[entry.kind], entry.partition, entry.offset))
        if identity not in sent or (origin is not None and origin.event_id != entry.event_id):
            yield f"I1: the log holds {entry}, which was not sent so"
    for send in ground_truth.accepted():
        entries = logged.get((send.account_id, send.kind, send.event_id), [])
        if not entries:
            yield f"I1: {send.kind} {send.event_id} was accepted and is neither in the log nor a dead letter"
        elif any(entry.occurred_at != send.occurred_at for entry in entries):
            yield f"I1: {send.kind} {send.event_id} stands in the log with another time than it was sent with"
    yield from _dead_letters(ground_truth, found)


def _dead_letters(ground_truth: GroundTruth, found: Evidence) -> Iterator[str]:
    dead_letters: dict[tuple[str, int, int], set[tuple[str, bytes | None, bytes | None]]] = defaultdict(set)
    for dead_letter in found.dead_letters:
        headers = {name: (value or b"").decode() for name, value in dead_letter.headers}
        if "telltale-dlq-code" not in headers:
            continue  # a mark: it says of a dead letter before it that it was sent again or dropped
        topic, partition, offset = (
            headers[f"__connect.errors.{name}"] for name in ("topic", "partition", "offset")
        )
        origin = (topic, int(partition), int(offset))
        dead_letters[origin].add((headers["telltale-dlq-code"], dead_letter.key, dead_letter.value))
    for send in ground_truth.expected_dead_letters():
        said = dead_letters.pop((found.prefix + send.topic, send.partition, send.offset), set())
        expected = (str(send.code), send.key, send.payload)
        if send.code == "too_large":
            expected = ("too_large", None, b"")  # what no dead letter can hold stays in the input
        if said != {expected}:
            yield f"I1: send {send.number} should be one dead letter {send.code}, its dead letters are {_shown(said)}"
    for origin, said in dead_letters.items():
        yield f"I1: {origin} became a dead letter and should have been applied: {_shown(said)}"


def _shown(said: Iterable[tuple[str, bytes | None, bytes | None]]) -> str:
    return ", ".join(f"{code} ({len(value or b'')} bytes)" for code, _, value in said) or "none"


def _walk(found: Evidence) -> dict[int, Counted]:
    return {
        partition: count_in_log_order(
            (e.account_id, e.kind, e.event_id, (e.source, e.partition), e.offset) for e in entries
        )
        for partition, entries in found.entries.items()
    }


def _counted_once(
    ground_truth: GroundTruth, found: Evidence, counted: dict[int, Counted], *, horizon_may_be_left: bool
) -> Iterator[str]:
    for partition, fold in found.folds.items():
        walked = counted.get(partition, Counted())
        told = (fold.counters.events, fold.counters.repeats, fold.counters.duplicates)
        if told != (walked.events, walked.repeats, walked.duplicates):
            expected = f"{walked.events} events, {walked.repeats} repeats, {walked.duplicates} duplicates"
            yield f"I2: partition {partition} has counted (events, repeats, duplicates) {told}, not {expected}"
    if not horizon_may_be_left:
        accepted = sum(1 for _ in ground_truth.accepted())
        events = sum(fold.counters.events for fold in found.folds.values())
        if events != accepted:
            yield f"I2: {events} events were counted, {accepted} different ones were accepted"


# -- I4: states


def _states(ground_truth: GroundTruth, found: Evidence, counted: dict[int, Counted]) -> Iterator[str]:
    times: Counter[tuple[str, str, str]] = Counter()
    for walked in counted.values():
        times += walked.applied
    events: dict[str, list[Send]] = defaultdict(list)
    for send in ground_truth.accepted():
        events[send.account_id] += [send] * times[send.account_id, send.kind, send.event_id]
    states = {account_id: state for fold in found.folds.values() for account_id, state in fold.states.items()}
    for account_id in sorted(events.keys() | states.keys()):
        if account_id not in states:
            yield f"I4: {account_id} has no state"
            continue
        expected, told = say(events[account_id]), state_says(states[account_id])
        for what, value in expected.items():
            if told[what] != value:
                yield f"I4: {account_id}, {what}: the state says {told[what]}, what was sent says {value}"
    yield from _snapshots(found, {name: state.derived.version for name, state in states.items()})


def _snapshots(found: Evidence, versions: dict[str, int]) -> Iterator[str]:
    snapshots = {output.account_id: output.fields for output in found.outputs[CURRENT]}
    changes = {output.account_id: output.fields for output in found.outputs[CHANGE]}
    for account_id, version in versions.items():
        snapshot, change = snapshots.get(account_id), changes.get(account_id)
        if snapshot is None or change is None:
            if version:
                yield f"I4: {account_id} stands at version {version}, and a topic has none of it"
            continue
        if not snapshot["version"] == change["version"] == version:
            yield (
                f"I4: {account_id} stands at version {version}, its snapshot at {snapshot['version']}, "
                f"its last change at {change['version']}"
            )
        if (snapshot["score"], snapshot["band"]) != (change["score_after"], change["band_after"]):
            yield f"I4: {account_id}: the last change does not lead to the snapshot"
        points = sum(component["points"] for component in snapshot["components"])
        if snapshot["score"] is not None and abs(points - snapshot["score"]) > _POINTS:
            yield f"I4: {account_id}: the components' points sum to {points}, the score is {snapshot['score']}"


# -- I3: versions


def _versions(found: Evidence) -> Iterator[str]:
    for topic in (CHANGE, CURRENT):
        for account_id, outputs in _by_account(found.outputs[topic]).items():
            written: dict[tuple[int, int], Output] = {}
            for output in outputs:
                key = (output.fields["epoch"], output.fields["version"])
                first = written.setdefault(key, output)
                if first.value != output.value:
                    yield f"I3: {topic}: {account_id} has version {key[1]} twice, with different bytes"
                if len({o.partition for o in (first, output)}) > 1:
                    yield f"I3: {topic}: {account_id} stands in two partitions"
            oldest = min(epoch for epoch, _ in written)
            for epoch in dict.fromkeys(epoch for epoch, _ in written):
                outputs_of = {version: o for (of, version), o in written.items() if of == epoch}
                # Of each account a rebuild writes every change, and of the snapshots the last.
                lowest = next(iter(outputs_of)) if topic == CURRENT and epoch != oldest else 1
                if list(outputs_of) != list(range(lowest, lowest + len(outputs_of))):
                    yield f"I3: {topic}: {account_id} has the versions {list(outputs_of)} in epoch {epoch}"
                if topic == CHANGE:
                    yield from _chain(account_id, list(outputs_of.values()))


def _by_account(outputs: list[Output]) -> dict[str, list[Output]]:
    accounts: dict[str, list[Output]] = defaultdict(list)
    for output in outputs:
        accounts[output.account_id].append(output)
    return accounts


def _chain(account_id: str, changes: list[Output]) -> Iterator[str]:
    """Each change begins where the one before ended, and its points explain it."""
    score, band = None, "UNKNOWN"
    for fields in (change.fields for change in changes):
        if (fields["score_before"], fields["band_before"]) != (score, band):
            yield f"I3: {account_id}: version {fields['version']} does not begin where the one before ended"
        score, band = fields["score_after"], fields["band_after"]
        if fields["score_before"] is not None and score is not None:
            points = sum(point["points"] for point in fields["points"])
            if abs(points - (score - fields["score_before"])) > _POINTS:
                yield f"I3: {account_id}: the points of version {fields['version']} do not sum to its change"


# -- I5, I7


def _alerts(found: Evidence) -> Iterator[str]:
    written: dict[tuple[int, str], dict[int, Output]] = defaultdict(dict)
    for output in found.outputs[ALERT]:
        alert = (output.fields["epoch"], output.fields["alert_id"])
        held = written[alert].setdefault(output.fields["sequence"], output)
        if held.value != output.value:
            yield f"I5: alert {output.fields['alert_id']} has a transition twice, with different bytes"
    open_ones = set()
    newest = max((epoch for epoch, _ in written), default=0)
    for (epoch, alert_id), transitions in written.items():
        if list(transitions) != list(range(1, len(transitions) + 1)):
            yield f"I5: alert {alert_id} has the transitions {list(transitions)}"
        if epoch == newest and list(transitions.values())[-1].fields["transition"] != "RESOLVED":
            open_ones.add(alert_id)
    snapshots = {output.account_id: output.fields for output in found.outputs[CURRENT]}
    shown = {alert["alert_id"] for fields in snapshots.values() for alert in fields["open_alerts"]}
    if shown != open_ones:
        yield f"I5: open by the alerts: {sorted(open_ones - shown)}, only by the snapshots: {sorted(shown - open_ones)}"


def _personal(found: Evidence) -> Iterator[str]:
    if any(CANARY.encode() in value for value in found.behind_the_intake):
        yield "I7: an e-mail address or a comment stands behind the intake"
    for dead_letter in found.dead_letters:
        if any(CANARY.encode() in (value or b"") for _, value in dead_letter.headers):
            yield "I7: a dead letter's header holds an e-mail address or a comment"
