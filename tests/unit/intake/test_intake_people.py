"""People without their names, and what an address tells."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.intake.mail import FREE_MAIL_DOMAINS, company_domain, normalise, normalise_domain
from pipeline.intake.pseudonyms import Pseudonyms

KEY = b"a key of 16 byte"
PEOPLE = Pseudonyms(KEY)


def test_a_person_is_the_same_in_every_system_that_gives_the_address() -> None:
    """A login and a survey answer of one person meet."""
    login = PEOPLE.person("app", "Ann@Acme.example", "u-1")
    answer = PEOPLE.person("delighted", None, " ann@acme.example")

    assert login == answer
    assert login is not None
    assert len(login) == 8


def test_without_an_address_people_of_two_sources_never_meet() -> None:
    """User 17 here is not user 17 there."""
    assert PEOPLE.person("app", None, "17") != PEOPLE.person("portal", None, "17")
    assert PEOPLE.person("app", None, "17") == PEOPLE.person("app", None, "17")


def test_an_address_that_is_none_does_not_make_all_people_one() -> None:
    """Sources write n/a, - or the same word for everybody."""
    assert PEOPLE.person("app", "n/a", "u-1") != PEOPLE.person("app", "n/a", "u-2")


def test_nobody_is_nobody() -> None:
    """A ticket without a requester has no person."""
    assert PEOPLE.person("zendesk", None, None) is None


def test_another_key_makes_all_people_new() -> None:
    """Whoever has the bytes but not the key learns nothing by trying names."""
    other = Pseudonyms(b"another key, 16+")

    assert other.person("app", None, "u-1") != PEOPLE.person("app", None, "u-1")


def test_the_key_is_never_shown() -> None:
    """Not in a repr; the settings' errors are tested with the settings."""
    assert "16 byte" not in repr(PEOPLE)


def test_there_is_no_hash_without_a_key() -> None:
    """It would be the same at every customer, and names could be tried."""
    with pytest.raises(AssertionError, match="without a key"):
        Pseudonyms(b"")


@given(st.text(), st.none() | st.text(), st.none() | st.text())
@example("app", "ann\ud800@acme.example", None)
def test_any_text_is_a_person_or_nobody(source: str, email: str | None, name: str | None) -> None:
    """Broken Unicode included: addresses are not checked before."""
    person = PEOPLE.person(source, email, name)

    assert person is None or len(person) == 8


@pytest.mark.parametrize(
    "text", ["", "ann", "@acme.example", "ann@", "ann@localhost", "a@b c.example", "a@b..c"]
)
def test_what_is_no_address_is_none(text: str) -> None:
    """Such a text neither places an event nor names a person."""
    assert normalise(text) is None
    assert company_domain(text) is None


def test_a_company_domain_is_the_part_after_the_last_at() -> None:
    """Odd but allowed local parts do not hide it."""
    assert company_domain('"ann@home"@acme.example') == "acme.example"


@given(st.text())
def test_normalising_a_domain_twice_changes_nothing(text: str) -> None:
    """What accounts list and what addresses have meet in one form."""
    once = normalise_domain(text)

    assert once is None or normalise_domain(once) == once


def test_the_free_mail_list_is_in_the_form_domains_are_compared_in() -> None:
    """An entry in another form would never match."""
    assert len(FREE_MAIL_DOMAINS) > 500
    assert [domain for domain in FREE_MAIL_DOMAINS if normalise_domain(domain) != domain] == []
