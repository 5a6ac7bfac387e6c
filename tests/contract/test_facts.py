"""
Evidence has names from the closed list of ``schemas/facts.yaml``, and every name of the list is told by
somebody.
"""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from pipeline.health.components import COMPONENT_NAMES
from pipeline.health.outputs import AlertEvent, Evidence
from pipeline.health.replay import fold_all, with_scorecards
from pipeline.health.signs import SIGNS
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.scorecards import load_scorecards, read_documents
from pipeline.wire.history import open_history
from tests.contract.contract_examples import CONTRACT, SCHEMAS

FACTS = yaml.safe_load((SCHEMAS / "facts.yaml").read_text())
SCENARIOS = sorted((SCHEMAS.parent / "tests" / "golden" / "scenarios").glob("*.ndjson"))
BRACES = {"{component}": f"({'|'.join(COMPONENT_NAMES)})", "{days}": "[1-9][0-9]*"}


@cache
def told() -> list[tuple[str, Evidence]]:
    """Every piece of evidence of the golden scenarios, with its sign."""
    return [
        (alert.sign, evidence) for path in SCENARIOS for alert in alerts(path) for evidence in alert.evidence
    ]


def alerts(path: Path) -> list[AlertEvent]:
    history = open_history([path], contract=CONTRACT, pseudonyms=Pseudonyms(bytes(32)))
    outputs = fold_all(with_scorecards(history.entries(), load_scorecards().documents), read_documents)
    return [output for _, output in outputs if isinstance(output, AlertEvent)]


def declared(fact: str) -> list[str]:
    """The names of the list that stand for *fact*."""
    return [name for name in FACTS if re.fullmatch(pattern(name), fact)]


def pattern(name: str) -> str:
    for braces, words in BRACES.items():
        name = name.replace(braces, words)
    assert "{" not in name, name
    return name


def test_signs_tell_only_facts_of_the_list() -> None:
    """And each is one of the list's names, told by a sign of which the list says so."""
    unknown = {
        (sign, evidence.fact)
        for sign, evidence in told()
        if [sign in FACTS[name]["signs"] for name in declared(evidence.fact)] != [True]
    }

    assert unknown == set()


def test_every_fact_of_the_list_is_told_by_each_of_its_signs() -> None:
    """The list is what happens, not what was planned."""
    found = {(sign, name) for sign, evidence in told() for name in declared(evidence.fact)}

    assert found == {(sign, name) for name, fact in FACTS.items() for sign in fact["signs"]}


@pytest.mark.parametrize("name", FACTS)
def test_the_list_says_whether_there_is_a_usual_value(name: str) -> None:
    """Readers show "usual 3" where there is one, and nothing where there is none."""
    given = {evidence.usual is not None for _, evidence in told() if declared(evidence.fact) == [name]}

    assert given == {FACTS[name]["usual"] is not None}


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_has_a_unit_a_meaning_and_signs_that_exist(name: str) -> None:
    """The list is the documentation."""
    fact = FACTS[name]

    assert fact.keys() == {"signs", "unit", "meaning", "usual"}
    assert fact["unit"] in {"points", "days", "hours", "people"}
    assert fact["meaning"]
    assert set(fact["signs"]) <= {sign.name for sign in SIGNS}
