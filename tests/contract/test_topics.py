"""Topics, event types and the embedded registry say the same thing."""

from typing import get_args

import yaml
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from pipeline.intake.event_types import EVENT_TYPES
from pipeline.intake.received import CODES, Code
from pipeline.kafka.client import producer_configuration
from pipeline.wire.dead_letters import ReplayMarker, dead_letter_headers, headers_again
from pipeline.wire.outputs import SCORED_AT
from tests.contract.contract_examples import CONTRACT, SCHEMAS, TOPICS

DECLARED = yaml.safe_load((SCHEMAS / "topics.yaml").read_text())

# What each id of the embedded registry names, as the fingerprint of the schema without its documentation.
# Records in topics bear these ids: a line here is never changed, a new version of a schema is a new line.
REGISTERED = {
    1: "729bcf29882754dc",  # login/v1.avsc
    2: "0cb6a3a8c728e657",  # support_ticket/v1.avsc
    3: "27d5d22d36a76932",  # invoice/v1.avsc
    4: "542bf0dc82fe8975",  # survey_response/v1.avsc
    5: "0f35258c45dbb7a4",  # account/v1.avsc
    6: "8f8db953f82c29fa",  # action/v1.avsc
    7: "616706cb0e72f268",  # log_entry/v1.avsc
    8: "e4790a7639433a31",  # health_change/v1.avsc
    9: "0b2a4c5aae7070c4",  # health_snapshot/v1.avsc
    10: "5ee28f10e1ec903d",  # alert_event/v1.avsc
    11: "c3eb13c5f09bcf31",  # health_change/v2.avsc
}


def test_every_schema_is_the_value_of_a_topic() -> None:
    """No folder without a topic, no topic without a folder."""
    assert {topic.schema for topic in TOPICS} == set(CONTRACT.versions)


def test_every_event_type_has_its_topic() -> None:
    """The table in the intake and topics.yaml name the same inputs."""
    declared = {(topic.source, topic.name, topic.schema) for topic in CONTRACT.inputs}

    assert {(row.source, row.topic, row.schema) for row in EVENT_TYPES} == declared
    assert len(EVENT_TYPES) == len(declared)


def test_every_input_has_a_dead_letter_topic() -> None:
    """And nothing else has one."""
    dead_letters = {topic.name for topic in CONTRACT.topics.values() if topic.schema is None}

    assert dead_letters == {CONTRACT.dead_letter(topic).name for topic in CONTRACT.inputs}


def test_outputs_promise_full_compatibility_and_what_we_alone_read_backward() -> None:
    """Anybody reads outputs with the version they have; inputs and the log are read by our newest release."""
    promises = {(topic in CONTRACT.outputs, topic.compatibility) for topic in TOPICS}

    assert promises == {(False, "backward_transitive"), (True, "full_transitive")}


def test_the_log_and_the_outputs_share_one_partition_count() -> None:
    """Health writes the outputs of partition p into partition p."""
    together = {topic.name for topic in CONTRACT.topics.values() if topic.partitions == "log"}

    assert together == {topic.name for topic in (CONTRACT.log, *CONTRACT.outputs)}


def test_only_what_has_a_latest_value_is_compacted() -> None:
    """The log is neither compacted nor ever deleted: health counts on offsets without gaps."""
    compacted = {topic.name for topic in CONTRACT.topics.values() if topic.cleanup == "compact"}

    assert compacted == {CONTRACT.input("account").name, CONTRACT.current.name}
    assert (CONTRACT.log.cleanup, CONTRACT.log.retention_days) == ("delete", None)


def test_the_newest_version_of_every_schema_is_registered() -> None:
    """Or else nobody could write it with the embedded registry."""
    registered = [(line.subject, line.schema) for line in CONTRACT.registered.values()]

    assert [t.name for t in TOPICS if (t.subject, CONTRACT.newest(t)) not in registered] == []


def test_the_registry_is_append_only() -> None:
    """An id, once given, names the same schema for ever, and ids count up."""
    lines = yaml.safe_load((SCHEMAS / "registry.yaml").read_text())
    fingerprints = {
        line.schema_id: fingerprint(to_parsing_canonical_form(parse_schema(dict(line.schema))), "CRC-64-AVRO")
        for line in CONTRACT.registered.values()
    }

    assert [line["id"] for line in lines] == list(range(1, len(lines) + 1))
    assert fingerprints == REGISTERED


def test_every_code_of_a_dead_letter_is_explained() -> None:
    """The table covers the closed list, and says what to do."""
    assert tuple(CODES) == get_args(Code)
    assert all(meaning.meaning and meaning.hint for meaning in CODES.values())


def test_every_header_is_declared_where_it_stands() -> None:
    """A reader in another language learns their names from topics.yaml."""
    make_dead_letter = dead_letter_headers("customer.login.v1", 2, 991, "range", "amount is negative")
    written = {
        "outputs": [SCORED_AT],
        "dead_letters": [name for name, _ in make_dead_letter],
        "replays": [name for name, _ in headers_again(make_dead_letter)],
        "markers": [
            name for name, _ in ReplayMarker(offset=7, done="dropped", by="Mara", why="a test").headers()
        ],
    }

    declared: dict[str, list[str]] = {}
    for name, header in DECLARED["headers"].items():
        assert header["meaning"]
        declared.setdefault(header["found_on"], []).append(name)
    assert declared == written


def test_our_producers_partition_as_the_contract_says() -> None:
    """Or an account's records would lie in two partitions, in no order."""
    declared = DECLARED["partitioner"]

    assert producer_configuration({})["partitioner"] == declared["librdkafka"]
    assert declared["name"] == "murmur2"
