"""
R3: one log gives one outcome however it is cut, and what arrives in another order ends in the same state.
"""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.health.events import LogEntry, Scorecards, Tick
from pipeline.health.fold import PartitionFold
from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received
from pipeline.kafka.records import Record
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.contract import Contract
from pipeline.wire.inputs import InputDecoder
from pipeline.wire.outputs import OutputEncoder
from pipeline.wire.position import POSITION_SIZE
from pipeline.wire.registry import EmbeddedRegistry
from pipeline.wire.state import encode_account, position_of
from tests.faults.generator import TOPICS, Event, Traffic
from tests.faults.ground_truth import GroundTruth
from tests.faults.naive import say
from tests.faults.outside_avro import OutsideAvro
from tests.faults.report import FaultLine
from tests.faults.state_words import state_says

pytestmark = pytest.mark.faults

NOW = 1_790_000_000_000
DAY = 86_400_000
APART = 1_000
"""Milliseconds between the arrivals of two events."""

CONTRACT = Contract.load()
REGISTRY = EmbeddedRegistry(CONTRACT)
AVRO = OutsideAvro()
ENCODER = OutputEncoder(CONTRACT, REGISTRY)

Entries = list[tuple[str, LogEntry]]
Outcome = tuple[list[bytes], dict[str, bytes]]
"""Bytes of all outputs in order, and of all states without their positions."""


def logged(facts: Sequence[Event], events: Sequence[Event]) -> Entries:
    """
    The log that the intake makes of *events* as they arrive, between the scorecards and the tick of a day
    later.
    """
    decoder = InputDecoder(CONTRACT, REGISTRY)
    intake = Intake(directory=AccountDirectory(), pseudonyms=Pseudonyms(b"0123456789abcdef"))
    log: Entries = [("", LogEntry(NOW - DAY, "", 0, 0, Scorecards(list(load_scorecards().documents))))]
    offsets = dict.fromkeys(TOPICS, 0)
    for number, event in enumerate([*facts, *events]):
        topic, key = TOPICS[event.kind], event.account_id.encode()
        payload = AVRO.encode(topic, event.value)
        received = decoder.decode(
            Record(topic, 0, offsets[event.kind], NOW + number * APART, key, payload, ())
        )
        assert isinstance(received, Received)
        offsets[event.kind] += 1
        if event.kind == "account":
            intake.follow(received, received.timestamp)
        verdict = intake.process(received, received.timestamp)
        assert isinstance(verdict, Accepted)
        log.append((verdict.account_id, verdict.entry))
    return [*log, ("", LogEntry(NOW + 2 * DAY, "", 0, 0, Tick()))]


def folded(entries: Entries, *, step_bytes: int) -> tuple[PartitionFold, Outcome]:
    """Fold *entries*, and cut a step whenever *step_bytes* of states wait."""
    fold, outputs = PartitionFold(0, read_documents), []
    for offset, (account_id, entry) in enumerate(entries):
        if isinstance(entry.body, Tick | Scorecards):
            while not fold.advance(entry, offset, step_bytes):
                outputs += [output for _, output in fold.take_step().outputs]
        else:
            fold.apply(account_id, entry, offset)
        if fold.pending_bytes >= step_bytes:
            outputs += [output for _, output in fold.take_step().outputs]
    outputs += [output for _, output in fold.take_step().outputs]
    position = position_of(fold)
    states = {name: encode_account(position, state)[POSITION_SIZE:] for name, state in fold.states.items()}
    return fold, ([ENCODER.encode(output)[1] for output in outputs], states)


def test_r3_a_log_folded_twice_gives_the_same_bytes(line: FaultLine, seed: int) -> None:
    """Outputs and states, whether the log is folded in one step or in thousands."""
    traffic = Traffic(seed, accounts=30, now=NOW)
    entries = logged(traffic.facts(), list(traffic.events(5_000)))
    line.events = len(entries)

    _, whole = folded(entries, step_bytes=1 << 40)
    for step_bytes in (1, 4_000, 100_000):
        line.fault(f"steps of {step_bytes} bytes")
        _, again = folded(entries, step_bytes=step_bytes)
        assert again == whole


def test_r3_the_order_of_arrival_does_not_show(line: FaultLine) -> None:
    """Shuffled within ten minutes of arrival, and against a recomputation that knows no order at all."""

    @settings(max_examples=20)
    @given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
    def holds(seed: int, order: random.Random) -> None:
        traffic = Traffic(seed, accounts=3, now=NOW)
        # Facts of an account come from one partition, in the order they were sent; the growth of its seats
        # rests on that.
        facts, events = traffic.facts(), [event for event in traffic.events(300) if event.kind != "account"]
        arrival = {place: place + order.random() * 600_000 / APART for place in range(len(events))}
        shuffled = [events[place] for place in sorted(arrival, key=arrival.__getitem__)]
        line.fault("shuffled within 10 minutes")
        line.events += len(events)

        first, second = (folded(logged(facts, es), step_bytes=4_000)[0] for es in (events, shuffled))

        ground_truth = GroundTruth()
        for event in [*facts, *events]:
            ground_truth.accept(*event)
        for account_id, state in first.states.items():
            expected = say(send for send in ground_truth.accepted() if send.account_id == account_id)
            assert state_says(state) == expected
            assert state_says(second.states[account_id]) == expected
            assert second.states[account_id].derived.scores == state.derived.scores

    holds()
