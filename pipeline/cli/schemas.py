"""``telltale schemas``: what the values of each topic are, and whether the registry knows it."""

from typing import TYPE_CHECKING

import click

from pipeline.cli.printing import json_option, print_json, print_table
from pipeline.errors import TelltaleError

if TYPE_CHECKING:
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import Registry


class SchemasBroken(TelltaleError):  # noqa: N818 - reads as what happened
    """A schema breaks its topic's promise, or is not registered."""


@click.group()
def schemas() -> None:
    """List, check and register the schemas of the topics."""


@schemas.command("ls")
@json_option()
def list_schemas(*, as_json: bool) -> None:
    """List topics with their schema, its versions, the registry's id and the promise of compatibility."""
    contract, registry = _open()
    rows = [
        {
            "topic": topic.name,
            "schema": topic.schema,
            "versions": len(contract.versions[topic.schema]),
            "id": _id_or_none(contract, registry, topic.name),
            "compatibility": topic.compatibility,
        }
        for topic in contract.topics.values()
        if topic.schema is not None
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(list(rows[0]), [tuple(row.values()) for row in rows], right=(2, 3))


@schemas.command()
@json_option("One JSON object a line, for each fault.")
def check(*, as_json: bool) -> None:
    """Check that every version can read the others as promised, and that the registry has the newest."""
    from pipeline.wire.compatibility import incompatibilities

    contract, registry = _open()
    unregistered = [
        f"{topic.name}: the newest version of {topic.schema} is not registered"
        for topic in contract.topics.values()
        if topic.schema is not None and _id_or_none(contract, registry, topic.name) is None
    ]
    faults = incompatibilities(contract) + unregistered
    if as_json:
        print_json({"fault": fault} for fault in faults)
    else:
        for fault in faults:
            click.echo(fault)
    if faults:
        raise SchemasBroken(
            f"faults in the schemas: {len(faults)}",
            hint="`telltale schemas register` adds what is not registered." if unregistered else "",
        )
    click.echo(f"{len(contract.versions)} schemas are compatible and registered", err=as_json)


@schemas.command()
@json_option()
def register(*, as_json: bool) -> None:
    """Register the newest schema of every topic; what is registered already stays as it is."""
    contract, registry = _open()
    for topic in contract.topics.values():
        if topic.schema is None:
            continue
        number = registry.register(topic)
        if as_json:
            print_json([{"topic": topic.name, "subject": topic.subject, "id": number}])
        else:
            click.echo(f"{number:>6}  {topic.subject}")


def _open() -> "tuple[Contract, Registry]":
    from pipeline.settings import load_settings
    from pipeline.wire.contract import Contract
    from pipeline.wire.registry import open_registry

    settings = load_settings()
    contract = Contract.load(settings.topic_prefix)
    return contract, open_registry(contract, settings.registry_url.get_secret_value())


def _id_or_none(contract: "Contract", registry: "Registry", topic: str) -> int | None:
    from pipeline.wire.registry import SchemaNotRegistered

    try:
        return registry.id_for(contract.topic(topic))
    except SchemaNotRegistered:
        return None
