"""
Schemas as the codec uses them: without logical types, and only those by which values can be read safely.

Which versions may follow each other is ``compatibility.py``'s; values are ``avro.py``'s.
"""

from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from pipeline.wire.contract import Schema


def plain(schema: Schema) -> Any:
    """*schema* parsed for fastavro without logical types: the same bytes, as integers and bytes."""
    return fastavro.parse_schema(_without_logical_types(schema))


def with_full_names(schema: Schema) -> Any:
    """*schema* with the namespace in every name, where a type is declared and where it is used again."""
    return fastavro.parse_schema(dict(schema))


def money_fields(schema: Schema) -> tuple[str, ...]:
    """The decimals of a record; they stand at its top."""
    return tuple(name for name, meaning in _logical_types(schema).items() if meaning[0] == "decimal")


def misfit(written: Schema, wanted: Schema) -> str | None:
    """Why values of *written* must not be read as *wanted*, beyond what Avro's own resolution finds."""
    try:
        parsed = plain(written)
    except (SchemaParseException, UnknownType):
        return "is no Avro schema, or needs another one beside it"
    meanings = _logical_types(wanted)
    for name, meaning in _logical_types(written).items():
        # Without logical types a time in µs or an amount of scale 2 would be read as one in ms or of scale 4.
        if meanings.get(name, meaning) != meaning:
            return f"means something else by {name}"
    named = parsed.get("__named_schemas", {})
    if _is_bottomless(parsed, {name for name, kind in named.items() if _has_no_bytes(kind)}):
        return "has a recursive type, or repeats one that has no bytes: a few bytes could hold millions"
    return None


def field_names(kind: Any) -> frozenset[str]:
    """Names of the fields of *kind*, any part of a schema, and of what is in it."""
    if isinstance(kind, list):
        return frozenset().union(*map(field_names, kind))
    if not isinstance(kind, dict):
        return frozenset()
    parts = [kind[part] for part in ("type", "items", "values") if part in kind]
    names = frozenset(field["name"] for field in kind.get("fields", ()))
    return names.union(*map(field_names, [*parts, *(field["type"] for field in kind.get("fields", ()))]))


def _fields(schema: Schema) -> dict[str, Any]:
    return {field["name"]: field["type"] for field in schema.get("fields", ())}


def _logical_types(schema: Schema) -> dict[str, tuple[Any, Any]]:
    return {name: _logical_type(kind) for name, kind in _fields(schema).items()}


def _logical_type(kind: Any) -> tuple[Any, Any]:
    for branch in kind if isinstance(kind, list) else [kind]:
        if isinstance(branch, dict) and "logicalType" in branch:
            return branch["logicalType"], branch.get("scale")
    return None, None


def _is_bottomless(kind: Any, empty: set[str], inside: frozenset[str] = frozenset()) -> bool:
    """
    Whether *kind*, parsed, has a type within itself, or one without bytes (*empty*) in an array or used
    again.

    *inside* are the types around it. Of 40 records, each with two of the one before, the last has the first
    2⁴⁰ times.
    """
    if isinstance(kind, str):
        return kind in inside or kind in empty
    if isinstance(kind, list):
        return any(_is_bottomless(branch, empty, inside) for branch in kind)
    inside = inside | {kind["name"]} if "name" in kind else inside
    within = [field["type"] for field in kind.get("fields", ())] + [
        kind[part] for part in ("items", "values") if part in kind
    ]
    is_of_nothing = kind["type"] == "array" and _has_no_bytes(kind["items"])
    return is_of_nothing or any(_is_bottomless(part, empty, inside) for part in within)


def _has_no_bytes(kind: Any) -> bool:
    """Whether values of *kind* have none; of a type used again ``_is_bottomless`` knows."""
    if not isinstance(kind, dict):  # a union has its branch's number
        return bool(kind == "null")
    if "fields" in kind:
        return all(_has_no_bytes(field["type"]) for field in kind["fields"])
    return bool(kind["type"] == "null" or kind.get("size") == 0)


def _without_logical_types(kind: Any) -> Any:
    if isinstance(kind, list):
        return [_without_logical_types(branch) for branch in kind]
    if not isinstance(kind, dict):
        return kind
    bare = {
        key: part for key, part in kind.items() if key not in {"doc", "logicalType", "precision", "scale"}
    }
    for key in ("type", "items", "values"):
        if key in bare:
            bare[key] = _without_logical_types(bare[key])
    if "fields" in bare:
        bare["fields"] = [_without_logical_types(field) for field in bare["fields"]]
    return bare
