"""Whether the schemas are compatible and registered."""

from collections.abc import Iterator

from pipeline.ops.checks.check import Finding, Site
from pipeline.wire.compatibility import incompatibilities
from pipeline.wire.registry import open_registry


def check_schemas(site: Site) -> Iterator[Finding]:
    """Compare the schemas with their older versions and with the registry."""
    faults = incompatibilities(site.contract)
    for fault in faults:
        yield Finding(
            check="schemas",
            state="FAIL",
            says=fault,
            hint="Change the schema; see `telltale schemas check`.",
        )
    url = site.settings.registry_url.get_secret_value()
    registry = open_registry(site.contract, url)
    topics = [topic for topic in site.contract.topics.values() if topic.schema is not None]
    for topic in topics:
        registry.id_for(topic)
    if not faults:
        where = "the registry" if url else "schemas/registry.yaml"
        yield Finding(
            check="schemas", state="ok", says=f"{len(topics)} are compatible and registered in {where}"
        )
