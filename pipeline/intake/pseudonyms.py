"""
People without their names: a keyed hash of eight bytes stands for a person in everything after the intake.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from pipeline.intake.mail import normalise

PERSON_BYTES: Final = 8
_REMEMBERED: Final = 20_000
"""People whose hash is at hand: most events are by people seen before."""


class Pseudonyms:
    """
    The same person, the same eight bytes, as long as the *key* is the same.

    How long a key must be is for ``settings`` to say; an empty one would hide nobody.

    A person is their e-mail address wherever a source gives one, in the event's ``email`` or as the user's
    name, trimmed and in lower case: so a login and a survey answer of one person meet although two systems
    sent them. Without an address a person is the source's name for them, and people of two sources never
    meet. A source should therefore give the address always or never.
    """

    __slots__ = ("_keyed", "_remembered")

    def __init__(self, key: bytes) -> None:
        assert key, "a hash without a key"
        self._keyed = blake2b(key=key, digest_size=PERSON_BYTES)
        self._remembered = lru_cache(_REMEMBERED)(self._hash)

    def __repr__(self) -> str:
        return "Pseudonyms(key=***)"

    def person(self, source: str, email: str | None, name: str | None) -> bytes | None:
        """
        Eight bytes for whoever has this *email*, or this *name* in *source*; ``None`` if neither is known.
        """
        return self._remembered(source, email, name)

    def _hash(self, source: str, email: str | None, name: str | None) -> bytes | None:
        address = normalise(email) or normalise(name)
        if address is not None:
            identity = f"@{address}"
        elif name:
            identity = f"{source}\0{name}"
        else:
            return None
        digest = self._keyed.copy()
        # An address is not checked before, so it may have broken Unicode.
        digest.update(identity.encode("utf-8", "surrogatepass"))
        return digest.digest()
