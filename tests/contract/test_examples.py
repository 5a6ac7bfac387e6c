"""Every record has examples, and they are what our own code reads and writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.intake.directory import AccountDirectory
from pipeline.intake.intake import Intake
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Accepted, Received
from pipeline.wire.avro import Decoder, Encoder
from pipeline.wire.contract import Topic
from pipeline.wire.log import LogCodec
from pipeline.wire.ndjson import EventLines
from pipeline.wire.registry import EmbeddedRegistry
from tests.contract.contract_examples import (
    CONTRACT,
    SCHEMAS,
    TOPICS,
    as_codec_value,
    event_type,
    examples,
    name_of,
    pairs,
)
from tests.contract.example_outputs import outputs_of_the_story

REGISTRY = EmbeddedRegistry(CONTRACT)


def received(topic: Topic, example: dict[str, Any]) -> Received:
    """*example* of an input as a line of NDJSON would bring it."""
    line = {"type": event_type(topic)} | example
    read = EventLines(CONTRACT).read(json.dumps(line).encode())
    assert isinstance(read, Received), read
    return read


def test_every_record_has_an_example_and_every_example_a_record() -> None:
    """Nobody has to guess what a record looks like."""
    files = {file.stem for file in (SCHEMAS / "examples").glob("*.json")}

    assert files == set(CONTRACT.versions)
    assert all(examples(topic) for topic in TOPICS)


@pytest.mark.parametrize(("topic", "example"), pairs(), ids=name_of)
def test_an_example_survives_its_codec(topic: Topic, example: dict[str, Any]) -> None:
    """What the example says comes back from its bytes, field by field."""
    value = as_codec_value(CONTRACT.newest(topic), example)

    payload = Encoder(topic, CONTRACT, REGISTRY).encode(value)

    assert Decoder(topic, CONTRACT, REGISTRY, name_unions=topic == CONTRACT.log).decode(payload) == value


@pytest.mark.parametrize(("topic", "example"), pairs(), ids=name_of)
def test_an_example_gives_every_field(topic: Topic, example: dict[str, Any]) -> None:
    """An example is complete, so that a reader of the file sees all there is, in the schema's order."""
    assert list(example) == [field["name"] for field in CONTRACT.newest(topic)["fields"]]


@pytest.mark.parametrize(("topic", "example"), [pair for pair in pairs() if pair[0].source], ids=name_of)
def test_the_intake_accepts_an_input_example(topic: Topic, example: dict[str, Any]) -> None:
    """The examples of the inputs belong together: the accounts among them place all events."""
    intake = Intake(directory=AccountDirectory(), pseudonyms=Pseudonyms(b"k" * 32))
    for account in examples(CONTRACT.input("account")):
        facts = received(CONTRACT.input("account"), account)
        intake.follow(facts, facts.timestamp)
    event = received(topic, example)

    assert isinstance(intake.process(event, event.timestamp), Accepted)


@pytest.mark.parametrize("example", examples(CONTRACT.log), ids=lambda example: next(iter(example["body"])))
def test_a_log_example_is_an_entry(example: dict[str, Any]) -> None:
    """The log's examples are entries the core knows."""
    codec = LogCodec(CONTRACT, REGISTRY)
    payload = Encoder(CONTRACT.log, CONTRACT, REGISTRY).encode(
        as_codec_value(CONTRACT.newest(CONTRACT.log), example)
    )

    assert codec.encode(codec.decode(payload)) == payload


def test_the_examples_of_outputs_are_what_the_fold_makes(tmp_path: Path, *, update_golden: bool) -> None:
    """
    A reader programs against them. `pytest tests/contract --update-golden` writes them again; the diff is
    behaviour.
    """
    for topic, made in outputs_of_the_story(tmp_path).items():
        if update_golden:
            path = SCHEMAS / "examples" / f"{topic.schema}.json"
            path.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")
        assert examples(topic) == made
