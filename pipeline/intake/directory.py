"""
Whose event is it: finds the account of an event that does not name one.

The directory follows the account facts, by the fold's own rule of which ones hold; who reads them, and when
it has read enough to say that nobody claims an id, is the caller's business.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from pipeline.health.events import FactsVersion, facts_hold
from pipeline.intake.checks import Fault
from pipeline.intake.mail import company_domain, normalise_domain
from pipeline.intake.received import Value

Claim: TypeAlias = tuple[str | None, str]
"""(source, external id) or (``None``, e-mail domain)."""


class _Known(NamedTuple):
    """What the facts that hold say of an account."""

    version: FactsVersion
    claims: tuple[Claim, ...]


class AccountDirectory:
    """
    Claims of accounts on external ids and e-mail domains.

    A claim holds as long as the account's facts have it, those that ``facts_hold`` of all that arrived;
    closing the account withdraws all of them. A directory that is filled again knows only what compaction has
    left in the topic. Domains match exactly: ``eu.acme.example`` is not ``acme.example``. Nobody is found by
    a free-mail domain, whoever claims it.
    """

    __slots__ = ("_accounts", "_claimants")

    def __init__(self) -> None:
        self._claimants: dict[Claim, tuple[str, ...]] = {}
        self._accounts: dict[str, _Known] = {}

    def __contains__(self, account_id: object) -> bool:
        """Whether the account's facts are known and it is not closed."""
        return account_id in self._accounts

    def __len__(self) -> int:
        """How many accounts are known and not closed."""
        return len(self._accounts)

    def apply(self, account_id: str, facts: Value | None) -> frozenset[Claim]:
        """
        Take over *facts* of an account, checked, unless it has newer ones; ``None`` closes the account.

        Returns the claims that this account has gained or lost by it.
        """
        version = None if facts is None else (facts["occurred_at"], facts["event_id"])
        known = self._accounts.get(account_id)
        if version is not None and not facts_hold(version, known and known.version):
            return frozenset()
        before = () if known is None else known.claims
        self._accounts.pop(account_id, None)
        for claim in before:
            others = tuple(other for other in self._claimants[claim] if other != account_id)
            if others:
                self._claimants[claim] = others
            else:
                del self._claimants[claim]
        if facts is None or version is None:
            return frozenset(before)
        claims = _claims_of(facts)
        self._accounts[account_id] = _Known(version, claims)
        for claim in claims:
            self._claimants[claim] = (*self._claimants.get(claim, ()), account_id)
        return frozenset(before).symmetric_difference(claims)

    def places(self, claims: Iterable[Claim]) -> bool:
        """Whether ``resolve`` finds the account of an event with these *claims*, see ``claims_of_event``."""
        for claim in claims:
            claimants = self._claimants.get(claim, ())
            if claimants:
                return len(claimants) == 1
        return False

    def resolve(self, source: str, external_id: str | None, email: str | None) -> str | Fault:
        """
        The account that claims *external_id* in *source*, else the one that claims the domain of *email*.

        An id with two claimants is a fault even where the domain has one: the less trusted must not decide
        what the more trusted left open.
        """
        if external_id is not None:
            claimants = self._claimants.get((source, external_id), ())
            if claimants:
                return _only(claimants, "the external_id")
        domain = company_domain(email)
        if domain is not None:
            claimants = self._claimants.get((None, domain), ())
            if claimants:
                return _only(claimants, "the e-mail's domain")
        tried = [
            *(["no account lists the external_id"] if external_id is not None else []),
            *(["no account lists the e-mail's domain"] if domain is not None else []),
            *(["the e-mail is free mail or no address"] if domain is None and email is not None else []),
        ]
        return Fault("unresolved_account", "; ".join(tried) or "no account_id, external_id or email is given")


def claims_of_event(value: Value) -> tuple[Claim, ...]:
    """
    What may place an event that names no account, the most trusted claim first; nothing of it is more than a
    domain.
    """
    external_id, domain = value["external_id"], company_domain(value.get("email"))
    return (
        *([(value["source"], external_id)] if external_id is not None else []),
        *([(None, domain)] if domain is not None else []),
    )


def _claims_of(facts: Value) -> tuple[Claim, ...]:
    domains = {normalise_domain(domain) for domain in facts["domains"]}
    return (
        *facts["external_ids"].items(),
        *((None, domain) for domain in sorted(filter(None, domains))),
    )


def _only(claimants: tuple[str, ...], claim: str) -> str | Fault:
    if len(claimants) == 1:
        return claimants[0]
    return Fault("ambiguous_account", f"{len(claimants)} accounts list {claim}")
