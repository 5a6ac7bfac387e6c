"""
What an e-mail address tells: who it is (the whole of it) and, unless anybody can have one there, which
company.

``free_mail_domains.txt`` lists the providers at which anybody can: they never identify an account.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

FREE_MAIL_DOMAINS: Final = frozenset(
    line
    for line in Path(__file__).with_name("free_mail_domains.txt").read_text("ascii").split("\n")
    if line and not line.startswith("#")
)


def normalise(address: str | None) -> str | None:
    """*address* trimmed and in lower case, or ``None`` if it is no e-mail address (``n/a``, a bare name)."""
    if address is None or "@" not in address:
        return None
    local, _, domain = address.strip().lower().rpartition("@")
    host = normalise_domain(domain)
    return f"{local}@{host}" if local and host else None


def company_domain(address: str | None) -> str | None:
    """
    The domain of *address* in the form accounts list it, or ``None`` for free mail and for what is no
    address.
    """
    normalised = normalise(address)
    if normalised is None:
        return None
    domain = normalised.rpartition("@")[2]
    return None if domain in FREE_MAIL_DOMAINS else domain


@lru_cache(10_000)  # every login asks for one of the customers' domains
def normalise_domain(domain: str) -> str | None:
    """
    *domain* in lower case and ASCII (``müller.example`` as ``xn--mller-kva.example``), ``None`` if it is
    none.
    """
    domain = domain.strip().lower().removeprefix("@").rstrip(".")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            return None
    head, dot, top = domain.rpartition(".")
    if not (head and dot and top) or any(mark in domain for mark in " @\t/") or ".." in domain:
        return None
    return domain
