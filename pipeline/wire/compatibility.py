"""
May a schema change that way? Every stored version against every other, offline, before anything is
registered.

``topics.yaml`` says which promise a topic makes: inputs and the log are read by us, so newer readers must
understand older values (backward); outputs are read by others, so it must hold both ways (full).
"""

import json
from itertools import combinations

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from pipeline.wire.contract import Contract, Schema


def incompatibilities(contract: Contract) -> list[str]:
    """One sentence per pair of versions that break their topic's promise; empty if none does."""
    found = []
    for topic in contract.topics.values():
        if topic.schema is None:
            continue
        numbered = enumerate(contract.versions[topic.schema], start=1)
        for (old, older), (new, newer) in combinations(numbered, 2):
            if fault := _fault(reader=newer, writer=older):
                found.append(f"{topic.schema} v{new} cannot read what v{old} wrote: {fault}")
            if topic.compatibility == "full_transitive" and (fault := _fault(reader=older, writer=newer)):
                found.append(f"{topic.schema} v{old} cannot read what v{new} wrote: {fault}")
    return found


def _fault(*, reader: Schema, writer: Schema) -> str | None:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]  # avro types only some functions
    verdict = checker.get_compatibility(parse(json.dumps(reader)), parse(json.dumps(writer)))
    if verdict.compatibility is SchemaCompatibilityType.compatible:
        return None
    places = ", ".join(sorted(verdict.locations))
    return f"{'; '.join(verdict.messages)} at {places}"
