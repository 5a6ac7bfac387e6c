"""Topics as ``schemas/topics.yaml`` declares them."""

import shutil
from pathlib import Path

import pytest

from pipeline.wire.contract import Contract, UnknownTopic


def test_a_topic_is_found_by_its_name_and_an_input_by_its_source() -> None:
    """Both ways give the same topic."""
    contract = Contract.load()

    tickets = contract.input("support-ticket")

    assert tickets == contract.topic("customer.support-ticket.v1")
    assert (tickets.schema, tickets.retention_days, tickets.subject) == (
        "support_ticket",
        7,
        "customer.support-ticket.v1-value",
    )


def test_a_dead_letter_topic_keeps_bytes_as_received() -> None:
    """For 30 days, without a schema."""
    contract = Contract.load()

    dead_letters = contract.dead_letter(contract.input("login"))

    assert (dead_letters.name, dead_letters.schema, dead_letters.retention_days) == (
        "customer.login.v1.dlq",
        None,
        30,
    )
    with pytest.raises(UnknownTopic, match="bytes as received"):
        contract.newest(dead_letters)


def test_topics_yaml_says_how_dead_letter_topics_end(tmp_path: Path) -> None:
    """And nothing else does."""
    folder = shutil.copytree(Path(__file__).parents[3] / "schemas", tmp_path / "schemas")
    declared = (folder / "topics.yaml").read_text("utf-8")
    (folder / "topics.yaml").write_text(declared.replace("suffix: .dlq", "suffix: .dead"), "utf-8")
    contract = Contract.load(folder=folder)

    dead_letters = contract.dead_letter(contract.input("login"))

    assert dead_letters.name == "customer.login.v1.dead"


def test_a_prefix_opens_every_name() -> None:
    """Several pipelines share a broker and a registry."""
    contract = Contract.load(prefix="bench.")

    assert all(name.startswith("bench.") for name in contract.topics)
    assert all(line.subject.startswith("bench.") for line in contract.registered.values())
    assert contract.log.name == "bench.health.account-log.v1"
    assert contract.dead_letter(contract.input("login")).name == "bench.customer.login.v1.dlq"


def test_an_unknown_topic_is_named_with_the_known_ones() -> None:
    """A typing error is seen at once."""
    contract = Contract.load()

    with pytest.raises(
        UnknownTopic, match=r'"logins" is no input in schemas/topics\.yaml\. Known: .*, login, '
    ):
        contract.input("logins")
    with pytest.raises(UnknownTopic, match=r'"customer\.logins" is not in schemas/topics\.yaml'):
        contract.topic("customer.logins")
