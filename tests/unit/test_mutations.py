"""Each guard that `make faults-mutations` switches off is still where it is looked for."""

import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[1] / "faults"


def test_every_guard_is_found_exactly_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A guard that was rewritten takes its mutant along; found out here, and not in the next run of half an
    hour.
    """
    monkeypatch.syspath_prepend(str(FAULTS))
    monkeypatch.delitem(sys.modules, "mutations", raising=False)
    import mutations

    for mutant in mutations.MUTANTS:
        assert mutations.switched_off(mutant, mutations.TREE)
        file, _, test = mutant.test.partition("::")
        assert f"def {test.partition('[')[0]}(" in (mutations.TREE / file).read_text("utf-8")
