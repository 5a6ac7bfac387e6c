"""Whose event is it: claims, their withdrawal, and claims of two."""

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.health.events import AccountClosed, AccountFacts, LogEntry
from pipeline.health.fold import PartitionFold
from pipeline.intake.checks import Fault
from pipeline.intake.directory import AccountDirectory, claims_of_event
from pipeline.scorecards import read_documents

_times = count(1)


def facts(*domains: str, **external_ids: str) -> dict[str, Any]:
    """The part of an account's facts that places events; each call's are newer than those before."""
    return facts_of(next(_times), *domains, **external_ids)


def facts_of(at: int, *domains: str, **external_ids: str) -> dict[str, Any]:
    """Facts as of *at*."""
    return {"occurred_at": at, "event_id": "f", "domains": list(domains), "external_ids": external_ids}


def directory(**accounts: dict[str, Any]) -> AccountDirectory:
    """A directory of these accounts."""
    made = AccountDirectory()
    for account_id, account_facts in accounts.items():
        made.apply(account_id, account_facts)
    return made


def code(found: str | Fault) -> str:
    """The code of a fault."""
    assert isinstance(found, Fault), found
    return found.code


def test_an_external_id_counts_only_in_its_own_source() -> None:
    """4711 at the help desk says nothing about 4711 in billing."""
    accounts = directory(acme=facts(zendesk="4711"), globex=facts(stripe="4711"))

    assert accounts.resolve("zendesk", "4711", None) == "acme"
    assert accounts.resolve("stripe", "4711", None) == "globex"
    assert code(accounts.resolve("app", "4711", None)) == "unresolved_account"


def test_the_external_id_is_trusted_before_the_address() -> None:
    """A consultant's address must not overrule the source's own id."""
    accounts = directory(acme=facts(zendesk="1"), globex=facts("globex.example"))

    assert accounts.resolve("zendesk", "1", "ann@globex.example") == "acme"
    assert accounts.resolve("zendesk", "2", "ann@globex.example") == "globex"


def test_two_claimants_of_an_external_id_are_not_settled_by_the_address() -> None:
    """The less trusted does not decide what the more trusted left open."""
    accounts = directory(acme=facts(app="1"), globex=facts("globex.example", app="1"))

    assert code(accounts.resolve("app", "1", "ann@globex.example")) == "ambiguous_account"


def test_a_domain_is_compared_as_people_write_it() -> None:
    """Case, a dot at the end and an international name do not matter; a subdomain is another domain."""
    accounts = directory(acme=facts("ACME.example."), mueller=facts("müller.example"))

    assert accounts.resolve("app", None, " Ann@Acme.Example ") == "acme"
    assert accounts.resolve("app", None, "ann@xn--mller-kva.example") == "mueller"
    assert code(accounts.resolve("app", None, "ann@eu.acme.example")) == "unresolved_account"


def test_free_mail_never_identifies_an_account() -> None:
    """Not even if an account claims it."""
    accounts = directory(acme=facts("gmail.com", "acme.example"))

    assert code(accounts.resolve("app", None, "ann@gmail.com")) == "unresolved_account"


def test_a_domain_of_two_accounts_is_ambiguous_until_one_withdraws() -> None:
    """Then its events find the other."""
    accounts = directory(acme=facts("shared.example"), globex=facts("shared.example"))

    assert code(accounts.resolve("app", None, "ann@shared.example")) == "ambiguous_account"

    accounts.apply("globex", facts("globex.example"))

    assert accounts.resolve("app", None, "ann@shared.example") == "acme"
    assert accounts.resolve("app", None, "ann@globex.example") == "globex"


def test_closing_an_account_withdraws_its_claims() -> None:
    """A new customer may get the old one's id."""
    accounts = directory(acme=facts("acme.example", zendesk="1"))

    accounts.apply("acme", None)

    assert "acme" not in accounts
    assert code(accounts.resolve("zendesk", "1", "ann@acme.example")) == "unresolved_account"


def test_a_claim_listed_twice_is_still_one() -> None:
    """Two spellings of a domain do not make an account ambiguous with itself."""
    accounts = directory(acme=facts("acme.example", "ACME.example"))

    assert accounts.resolve("app", None, "ann@acme.example") == "acme"


NAMES = st.sampled_from(["a", "b", "c"])
CLAIMS = st.builds(
    lambda domains, ids: facts(*domains, **ids),
    st.lists(NAMES.map("{}.example".format)),
    st.dictionaries(NAMES, NAMES),
)


@given(st.lists(st.tuples(NAMES, st.none() | CLAIMS)))
def test_only_the_latest_facts_of_each_account_count(
    records: list[tuple[str, dict[str, Any] | None]],
) -> None:
    """However an account got where it is, the directory answers as if only its newest facts had been read."""
    records = [(a, f and f | {"occurred_at": at}) for at, (a, f) in enumerate(records)]
    followed, fresh = AccountDirectory(), AccountDirectory()
    for account_id, account_facts in records:
        followed.apply(account_id, account_facts)
    for account_id, account_facts in dict(records).items():
        fresh.apply(account_id, account_facts)

    questions = [
        (s, i, m) for s in "abc" for i in [None, *"abc"] for m in [None, "x@a.example", "x@b.example"]
    ]
    assert [followed.resolve(*question) for question in questions] == [
        fresh.resolve(*question) for question in questions
    ]
    assert len(followed) == len(fresh)


def test_facts_that_arrive_late_do_not_replace_newer_ones() -> None:
    """A CRM that sends an old change again takes no domain away; the newer facts place events as before."""
    accounts = AccountDirectory()
    accounts.apply("acme", facts_of(2, "new.example"))

    assert accounts.apply("acme", facts_of(1, "old.example")) == set()

    assert accounts.resolve("app", None, "ann@new.example") == "acme"
    assert code(accounts.resolve("app", None, "ann@old.example")) == "unresolved_account"


@given(st.lists(st.none() | st.integers(0, 3), max_size=6))
def test_the_directory_and_the_fold_agree_which_facts_hold(arrivals: list[int | None]) -> None:
    """Facts of any age in any order, closings (None) between them: logins follow the facts that are shown."""
    accounts, fold = AccountDirectory(), PartitionFold(0, read_documents)
    for number, at in enumerate(arrivals):
        event_id = f"f-{number}"
        taken = facts_of(at, f"f-{number}.example") | {"event_id": event_id} if at is not None else None
        accounts.apply("acme", taken)
        body = (
            AccountClosed(event_id, 0) if at is None else AccountFacts(event_id, at, event_id, "MID", "LIVE")
        )
        fold.apply("acme", LogEntry(10 + number, "account", 0, number, body), number)

    state = fold.states.get("acme")
    held = None if state is None or state.closed_by or state.facts is None else state.facts.name
    placed = [n for n in range(len(arrivals)) if accounts.resolve("app", None, f"x@f-{n}.example") == "acme"]
    assert placed == ([] if held is None else [int(held.removeprefix("f-"))])


def test_a_change_tells_which_claims_it_touched() -> None:
    """
    Gained and lost, and not those that stay: a CRM that publishes everything each night touches nothing.
    """
    accounts = AccountDirectory()

    assert accounts.apply("acme", facts("acme.example", crm="1")) == {("crm", "1"), (None, "acme.example")}
    assert accounts.apply("acme", facts("acme.example", crm="1")) == set()
    assert accounts.apply("acme", facts("acme.example", crm="2")) == {("crm", "1"), ("crm", "2")}
    assert accounts.apply("acme", None) == {("crm", "2"), (None, "acme.example")}
    assert accounts.apply("acme", None) == set()


_SOME_FACTS = st.builds(
    lambda domains, ids: facts(*domains, **ids),
    st.lists(st.sampled_from(["a.example", "b.example", "gmail.com"]), max_size=2),
    st.dictionaries(st.sampled_from(["crm", "app"]), st.sampled_from(["1", "2"]), max_size=2),
)


@given(
    st.dictionaries(st.sampled_from(["acme", "globex", "initech"]), _SOME_FACTS),
    st.sampled_from(["crm", "app"]),
    st.none() | st.sampled_from(["1", "2", "3"]),
    st.none() | st.sampled_from(["x@a.example", "X@B.example", "x@gmail.com", "nobody"]),
)
def test_claims_place_an_event_where_it_is_resolved(
    known: dict[str, dict[str, Any]], source: str, external_id: str | None, email: str | None
) -> None:
    """What waits for an account by its claims is what the intake would place, and nothing else."""
    accounts = directory(**known)
    claims = claims_of_event({"source": source, "external_id": external_id, "email": email})

    assert accounts.places(claims) == isinstance(accounts.resolve(source, external_id, email), str)
