"""
The fields of a core class as states hold them: declared once, for writing, for reading, and for what an older
program left out.

    ALERT = FieldList(Field("alert_id"), Field("opened_at"), Field("score_before", default=None))
    ALERT.plain(alert)                    # ["al_1", 1767225600000, None]
    Alert(*ALERT.values(plain))           # or ALERT.fill(alert, plain), where the object is there already

On the wire a list has no names, they would double a state. So a field is appended, with a default, and never
moved: a list that an older program wrote is shorter, one that a newer program wrote is longer and is refused.
Anything else takes a new state version and an upcaster in ``state.py``.

    TelltaleError
    └── NewerState    a newer version of this program wrote the value
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pipeline.errors import TelltaleError

T = TypeVar("T")

_REQUIRED: Final = object()

START_NEWER: Final = "start the newer release again, or recreate it from the log with `telltale rebuild`"


class NewerState(TelltaleError):  # noqa: N818 - reads as what happened
    """A value of the state table was written by a newer version of this program."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    One attribute, *name*, perhaps of an attribute (``lifecycle.open``).

    *write* makes a plain value of it and *read* the attribute of a plain value; without them it is plain
    already. *fill* changes the attribute that is there instead of making another one. *default* is the plain
    value for states of before the field.
    """

    name: str
    write: Callable[[Any], Any] | None = None
    read: Callable[[Any], Any] | None = None
    fill: Callable[[Any, Any], None] | None = None
    default: Any = _REQUIRED


class FieldList(Generic[T]):
    """
    The fields of one class, in the order of the wire.

    Its functions are compiled from the declaration, as dataclasses' are: called field by field they took
    twice as long, 2.5 s for a worker that restores 100,000 accounts.
    """

    __slots__ = ("_defaults", "fill", "names", "plain", "values")

    plain: Callable[[T], list[Any]]
    """The fields of a value as plain values."""
    values: Callable[[Sequence[Any]], list[Any]]
    """The attributes that plain values hold, in order: arguments of the class."""
    fill: Callable[[T, Sequence[Any]], None]
    """Set the attributes that plain values hold on an object."""

    def __init__(self, *fields: Field) -> None:
        self.names = tuple(field.name for field in fields)
        self._defaults = [field.default for field in fields]
        plain, values, assignments = [], [], []
        functions: dict[str, Any] = {"whole": self._whole}
        for place, field in enumerate(fields):
            functions |= {f"w{place}": field.write, f"r{place}": field.read, f"f{place}": field.fill}
            attribute, read = (
                f"value.{field.name}",
                f"x{place}" if field.read is None else f"r{place}(x{place})",
            )
            plain.append(attribute if field.write is None else f"w{place}({attribute})")
            values.append(read)
            assignments.append(
                f"{attribute} = {read}" if field.fill is None else f"f{place}({attribute}, x{place})"
            )
        unpacked = f"{''.join(f'x{place},' for place in range(len(fields)))} = "
        unpacked += f"plain if len(plain) == {len(fields)} else whole(plain)"
        source = "\n".join(
            [
                f"def plain(value): return [{', '.join(plain)}]",
                f"def values(plain):\n    {unpacked}\n    return [{', '.join(values)}]",
                "\n    ".join(["def fill(value, plain):", unpacked, *assignments]),
            ]
        )
        exec(source, functions)  # noqa: S102 - made of the names above, and of nothing that is read
        self.plain, self.values, self.fill = functions["plain"], functions["values"], functions["fill"]

    def _whole(self, plain: Sequence[Any]) -> Sequence[Any]:
        """*plain* with the defaults of the fields that it was written without. Raises ``NewerState``."""
        if len(plain) > len(self.names):
            raise NewerState(
                f"the state table has a list of {len(plain)} fields behind {self.names[0]}, this program knows"
                f" {len(self.names)}: {START_NEWER}"
            )
        missing = self._defaults[len(plain) :]
        assert _REQUIRED not in missing, (
            f"a state without {self.names[len(plain) :]}, which every version has"
        )
        return [*plain, *missing]
