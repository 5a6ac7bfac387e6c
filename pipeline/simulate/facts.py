"""What happens at an account, before any system has told of it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """
    One thing that happened.

    *type* is the ``type`` of its line, *fields* are the record's own fields. *person* is the number of the
    person whose address the source knows, None where there is none. *delay* (ms) fixes when it is observed;
    None leaves that to the habits of its source, which are sometimes late and sometimes repeat themselves.
    """

    type: str
    event_id: str
    occurred_at: int
    fields: dict[str, Any]
    person: int | None = None
    delay: int | None = None
