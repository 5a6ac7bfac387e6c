"""The rules every schema follows, so that it can change without breaking a reader."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.wire.contract import Schema
from tests.contract.contract_examples import CONTRACT

SCHEMAS = [
    pytest.param(schema, id=f"{folder}-v{number}")
    for folder, versions in CONTRACT.versions.items()
    for number, schema in enumerate(versions, start=1)
]


def named_types(kind: Any) -> Iterator[dict[str, Any]]:
    """Every record and enum that *kind* declares, itself included."""
    if isinstance(kind, list):
        for branch in kind:
            yield from named_types(branch)
    elif isinstance(kind, dict):
        if kind["type"] in {"record", "enum"}:
            yield kind
        for part in [
            kind.get("items"),
            kind.get("values"),
            *(field["type"] for field in kind.get("fields", ())),
        ]:
            yield from named_types(part)


def fields(schema: Schema) -> Iterator[dict[str, Any]]:
    """Every field of every record in *schema*."""
    for named in named_types(schema):
        yield from named.get("fields", ())


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_record_field_and_enum_says_what_it_means(schema: Schema) -> None:
    """The schema is the documentation."""
    assert [named["name"] for named in named_types(schema) if not named.get("doc")] == []
    assert [field["name"] for field in fields(schema) if not field.get("doc")] == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_enum_has_a_word_for_what_it_does_not_know(schema: Schema) -> None:
    """An old reader takes a new symbol for UNKNOWN instead of failing."""
    enums = [named for named in named_types(schema) if named["type"] == "enum"]

    assert [enum["name"] for enum in enums if enum["symbols"][0] != "UNKNOWN"] == []
    assert [enum["name"] for enum in enums if enum.get("default") != "UNKNOWN"] == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_nullable_field_is_null_unless_given(schema: Schema) -> None:
    """Null comes first and is the default, so the field may be missing in older values."""
    nullable = [field for field in fields(schema) if "null" in field["type"]]

    assert [field["name"] for field in nullable if field["type"][0] != "null"] == []
    assert [field["name"] for field in nullable if field.get("default", "none") is not None] == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_names_are_snake_case_and_carry_the_major_version(schema: Schema) -> None:
    """A break would be a new namespace on a new topic."""
    assert re.fullmatch(r"telltale\.(customer|health|log)\.v1", schema["namespace"])
    assert [
        field["name"] for field in fields(schema) if not re.fullmatch("[a-z][a-z0-9_]*", field["name"])
    ] == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_money_has_one_scale(schema: Schema) -> None:
    """The codec reads and writes decimals of precision 18 and scale 4, at the top of a record."""
    kinds = [
        kind
        for field in fields(schema)
        for kind in (field["type"][1:] if isinstance(field["type"], list) else [field["type"]])
    ]
    money = [kind for kind in kinds if isinstance(kind, dict) and kind.get("logicalType") == "decimal"]
    at_the_top = [
        field
        for field in schema["fields"]
        if "decimal" in str(field["type"]) and "record" not in str(field["type"])
    ]

    assert [
        kind for kind in money if (kind["type"], kind["precision"], kind["scale"]) != ("bytes", 18, 4)
    ] == []
    assert len(money) == len(at_the_top)
