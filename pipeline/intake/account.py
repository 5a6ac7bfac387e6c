"""Account facts: what the CRM knows about an account; a record without a value closes it."""

from typing import Final

from pipeline.health.events import AccountClosed, AccountFacts
from pipeline.intake.checks import LONGEST_ID, LONGEST_LABEL, Checks, is_writable
from pipeline.intake.pseudonyms import Pseudonyms
from pipeline.intake.received import Received, Value

_MOST_SEATS: Final = 10_000_000
_MOST_CLAIMS: Final = 1000  # domains, and external ids, of one account
_LONGEST_DOMAIN: Final = 253
_OPTIONAL_TEXTS: Final = ("owner", "region", "industry", "time_zone")
_DAYS: Final = ("renewal_date", "notice_given_on", "leaves_on", "start_date")


def check(checks: Checks) -> None:
    """Note what is wrong with an account's facts; segment and lifecycle stage may be UNKNOWN."""
    value = checks.value
    for name in ("event_id", "account_id", "name"):
        checks.text(name)
    checks.text("source", LONGEST_LABEL)
    checks.moment("occurred_at")
    for name in _OPTIONAL_TEXTS:
        checks.optional_text(name)
    for name in _DAYS:
        checks.day(name)
    checks.number("seats", 0, _MOST_SEATS)
    checks.money("cmrr")
    checks.currency("currency")
    if value["cmrr"] is not None:
        checks.required(("currency",), "with cmrr")
    _check_claims(checks)


def _check_claims(checks: Checks) -> None:
    domains, ids = checks.value["domains"], checks.value["external_ids"]
    if max(len(domains), len(ids)) > _MOST_CLAIMS:
        checks.note("range", f"domains or external_ids has more than {_MOST_CLAIMS} entries")
    if not all(is_writable(domain, _LONGEST_DOMAIN) for domain in domains):
        checks.note("range", "domains has an entry that is empty, too long, or has control characters")
    if not all(is_writable(text, LONGEST_ID) for claim in ids.items() for text in claim):
        checks.note("range", "external_ids has an entry that is empty, too long, or has control characters")


def account_of_key(key: bytes | None) -> str | None:
    """The account an account record's *key* names, ``None`` if it names none."""
    try:
        account_id = (key or b"").decode()
    except UnicodeDecodeError:
        return None
    return account_id if is_writable(account_id, LONGEST_ID) else None


def resolve(value: Value, people: Pseudonyms) -> AccountFacts:  # noqa: ARG001 - one signature for all event types
    """Keep of checked facts what the log holds: what resolves events stays in the directory."""
    return AccountFacts(
        value["event_id"],
        value["occurred_at"],
        value["name"],
        value["segment"],
        value["lifecycle_stage"],
        value["seats"],
        value["cmrr"],
        value["currency"],
        value["renewal_date"],
        value["notice_given_on"],
        value["leaves_on"],
        value["owner"],
        value["region"],
        value["industry"],
        value["time_zone"],
        value["start_date"],
    )


def closed(received: Received, observed_at: int) -> AccountClosed:
    """
    The closing of an account; the record has no event id, so its timestamp, which a retry keeps, names it.
    """
    return AccountClosed(f"closed:{received.timestamp}", observed_at)
