"""
The fields of a core class as states hold them: declared once, for writing, for reading, and for what an older
program left out.

    ALERT = FieldList(Field("alert_id"), Field("opened_at"), Field("score_before", default=None))
    ALERT.plain(alert)                    # ["al_1", 1767225600000, None]
    Alert(*ALERT.values(plain))           # or ALERT.fill(alert, plain), where the object is there already

On the wire a list has no names, they would double a state. So a field is appended, with a default, and never
moved: a list that an older program wrote is shorter. Anything else takes a new state version and an upcaster
in ``state.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_REQUIRED: Final = object()


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
    """The fields of one class, in the order of the wire; there are two at least."""

    __slots__ = ("_defaults", "_fields", "_get", "_writes", "names")

    def __init__(self, *fields: Field) -> None:
        self.names = tuple(field.name for field in fields)
        self._fields = fields
        self._get = attrgetter(*self.names)
        self._writes = [(place, field.write) for place, field in enumerate(fields) if field.write is not None]
        self._defaults = [field.default for field in fields]

    def plain(self, value: T) -> list[Any]:
        """The fields of *value* as plain values."""
        plain = list(self._get(value))
        for place, write in self._writes:
            plain[place] = write(plain[place])
        return plain

    def values(self, plain: Sequence[Any]) -> list[Any]:
        """The attributes that *plain* holds, in order: arguments of the class."""
        return [
            value if field.read is None else field.read(value)
            for field, value in zip(self._fields, self._whole(plain), strict=True)
        ]

    def fill(self, target: T, plain: Sequence[Any]) -> None:
        """Set the attributes that *plain* holds on *target*."""
        for field, value in zip(self._fields, self._whole(plain), strict=True):
            owner, _, name = field.name.rpartition(".")
            holder = getattr(target, owner) if owner else target
            if field.fill is not None:
                field.fill(getattr(holder, name), value)
            else:
                setattr(holder, name, value if field.read is None else field.read(value))

    def _whole(self, plain: Sequence[Any]) -> Sequence[Any]:
        missing = self._defaults[len(plain) :]
        if not missing:
            return plain
        assert _REQUIRED not in missing, (
            f"a state without {self.names[len(plain) :]}, which every version has"
        )
        return [*plain, *missing]
