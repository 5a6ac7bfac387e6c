"""Whether ``agents`` is ours: another distribution has a package of that name."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pipeline
from pipeline.ops.checks.check import Finding, Site


def check_packages(_site: Site) -> Iterator[Finding]:
    """Tell whether our packages are the ones that are imported."""
    ours = Path(pipeline.__file__).parents[1]
    found = importlib.util.find_spec("agents")
    origin = Path(found.origin).parents[1] if found and found.origin else None
    if origin == ours:
        yield Finding(check="packages", state="ok", says=f"pipeline, agents and sinks of {ours}")
    else:
        yield Finding(
            check="packages",
            state="FAIL",
            says=f"the package agents is somebody else's, of {origin}",
            hint="Install Telltale into an environment of its own: openai-agents, for one, has a package of that name.",
        )
