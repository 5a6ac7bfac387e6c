"""A schema may only change as its topic promises."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.wire.compatibility import incompatibilities
from pipeline.wire.contract import Contract
from tests.contract.contract_examples import CONTRACT, SCHEMAS

Change = Callable[[dict[str, Any]], None]


def with_second_version(folder: Path, record: str, change: Change) -> Contract:
    """The contract as it would be with a changed version 2 of *record*."""
    copy = folder / "schemas"
    shutil.copytree(SCHEMAS, copy)
    schema = json.loads((copy / record / "v1.avsc").read_text())
    change(schema)
    (copy / record / "v2.avsc").write_text(json.dumps(schema))
    return Contract.load(folder=copy)


def add_required(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "device", "type": "string", "doc": "Kind of device."})


def add_nullable(schema: dict[str, Any]) -> None:
    schema["fields"].append(
        {"name": "device", "type": ["null", "string"], "doc": "Kind of device.", "default": None}
    )


def drop_required(schema: dict[str, Any]) -> None:
    schema["fields"] = [field for field in schema["fields"] if field["name"] not in {"user_id", "reason"}]


def retype_time(schema: dict[str, Any]) -> None:
    next(field for field in schema["fields"] if field["name"] in {"occurred_at", "as_of"})["type"] = "string"


def test_what_is_stored_keeps_its_promises() -> None:
    """Every version of every schema against every other."""
    assert incompatibilities(CONTRACT) == []


@pytest.mark.parametrize("record", ["login", "alert_event"])
def test_a_new_nullable_field_is_welcome(tmp_path: Path, record: str) -> None:
    """The way in which every schema may grow."""
    assert incompatibilities(with_second_version(tmp_path, record, add_nullable)) == []


@pytest.mark.parametrize("change", [add_required, retype_time])
def test_an_input_must_stay_readable_for_us(tmp_path: Path, change: Change) -> None:
    """A newer reader that older values do not satisfy is refused, and the place is named."""
    faults = incompatibilities(with_second_version(tmp_path, "login", change))

    assert len(faults) == 1
    assert faults[0].startswith("login v2 cannot read what v1 wrote")
    assert "/fields/" in faults[0]


def test_an_input_may_lose_a_field(tmp_path: Path) -> None:
    """Backward is enough for inputs: we are their only reader."""
    assert incompatibilities(with_second_version(tmp_path, "login", drop_required)) == []


def test_an_output_must_not_lose_a_field(tmp_path: Path) -> None:
    """Others still read it with the version they have."""
    faults = incompatibilities(with_second_version(tmp_path, "alert_event", drop_required))

    assert [fault.split(":")[0] for fault in faults] == ["alert_event v1 cannot read what v2 wrote"]


def test_every_version_counts_not_only_the_last(tmp_path: Path) -> None:
    """A third version that undoes what broke the first is still held against the second."""
    contract = with_second_version(tmp_path, "login", add_required)
    first = (tmp_path / "schemas/login/v1.avsc").read_text()
    (tmp_path / "schemas/login/v3.avsc").write_text(first)

    faults = incompatibilities(Contract.load(folder=tmp_path / "schemas"))

    assert incompatibilities(contract) == faults
