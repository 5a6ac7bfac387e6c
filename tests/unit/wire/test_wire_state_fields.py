"""Field lists: one declaration writes, reads, and fills in what an older program did not write."""

from dataclasses import dataclass, field

import pytest

from pipeline.wire.state_fields import Field, FieldList, NewerState


@dataclass
class Inner:
    number: int = 0


@dataclass
class Outer:
    name: str = ""
    tags: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)
    added: int = 0


INNER = FieldList[Inner](Field("number"))
OUTER = FieldList[Outer](
    Field("name"),
    Field("tags", list, tuple),
    Field("inner", INNER.plain, fill=INNER.fill),
    Field("inner.number"),
    Field("added", default=7),
)


def test_what_is_written_is_read_back() -> None:
    """Plain values on the wire, the class's own attributes behind it."""
    plain = OUTER.plain(Outer("a", ("x", "y"), Inner(3), 4))
    found = Outer()
    OUTER.fill(found, plain)

    assert plain == ["a", ["x", "y"], [3], 3, 4]
    assert found == Outer("a", ("x", "y"), Inner(3), 4)
    assert OUTER.values(plain) == ["a", ("x", "y"), [3], 3, 4]


def test_a_field_that_is_missing_takes_its_default() -> None:
    """An older program wrote a shorter list."""
    found = Outer()
    OUTER.fill(found, ["a", [], [3], 3])

    assert found.added == 7
    assert OUTER.values(["a", [], [3], 3])[-1] == 7


def test_a_field_that_every_version_has_must_be_there() -> None:
    """Anything else than an appended field needs a state version and an upcaster."""
    with pytest.raises(AssertionError, match=r"inner\.number"):
        OUTER.values(["a", [], [3]])


def test_a_list_with_more_fields_is_of_a_newer_program() -> None:
    """Its version may be the same; what the fields mean that nobody here knows cannot be left out."""
    with pytest.raises(NewerState, match="6 fields behind name, this program knows 5: start the newer"):
        OUTER.values(["a", [], [3], 3, 7, "what a newer release remembers"])
