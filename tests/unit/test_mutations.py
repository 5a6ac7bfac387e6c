"""Each guard that `make faults-mutations` switches off is still where it is looked for."""

from tests.faults import mutations


def test_every_guard_is_found_exactly_once() -> None:
    """
    A guard that was rewritten takes its mutant along; found out here, and not in the next run of half an
    hour.
    """
    for mutant in mutations.MUTANTS:
        assert mutations.switched_off(mutant, mutations.TREE)
        file, _, test = mutant.test.partition("::")
        assert f"def {test.partition('[')[0]}(" in (mutations.TREE / file).read_text("utf-8")
