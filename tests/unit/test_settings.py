"""Settings: read from environment and file, checked at once, and quiet about secrets."""

import os
import re
from pathlib import Path

import pytest

from pipeline.settings import InvalidSettings, Settings, described_settings, load_settings

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TELLTALE_"):
            monkeypatch.delenv(name)


def test_settings_without_a_default_are_asked_for_only_by_who_needs_them() -> None:
    """`schemas ls` needs no broker; a worker that has none must not start."""
    assert load_settings().brokers == ""

    with pytest.raises(InvalidSettings, match="TELLTALE_BROKERS: not set"):
        load_settings("brokers")


def test_an_empty_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a deployment left empty is as missing as one that is not there."""
    monkeypatch.setenv("TELLTALE_BROKERS", "")

    with pytest.raises(InvalidSettings, match="TELLTALE_BROKERS: not set"):
        load_settings("brokers")


def test_all_faults_are_told_at_once_with_the_meaning_of_each_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One start, one list: missing, wrong, unknown, and what belongs together."""
    monkeypatch.setenv("TELLTALE_PARTITIONS", "0")
    monkeypatch.setenv("TELLTALE_TICK_SECONDS", "often")
    monkeypatch.setenv("TELLTALE_DATABASE_URL", "mysql://somewhere/db")
    monkeypatch.setenv("TELLTALE_SECURITY__PASSPHRASE", "x")

    with pytest.raises(InvalidSettings) as failure:
        load_settings("brokers", "database_url", "pseudonym_key")

    assert [line.split(". ")[0] for line in str(failure.value).splitlines()] == [
        "settings are missing or wrong:",
        "  TELLTALE_BROKERS: not set",
        "  TELLTALE_DATABASE_URL: must begin with postgresql://",
        "  TELLTALE_PARTITIONS: should be greater than or equal to 1",
        "  TELLTALE_PSEUDONYM_KEY: not set",
        "  TELLTALE_SECURITY__PASSPHRASE: no such setting, did you mean TELLTALE_SECURITY__PASSWORD?",
        "  TELLTALE_TICK_SECONDS: should be a valid number, unable to parse string as a number",
    ]
    assert "not set. Kafka brokers to begin with, host:port separated by commas." in str(failure.value)
    assert "TELLTALE_CONFIG" in failure.value.hint


def test_sasl_without_a_password_is_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would only say that time ran out."""
    monkeypatch.setenv("TELLTALE_SECURITY__PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("TELLTALE_SECURITY__USERNAME", "intake")

    with pytest.raises(InvalidSettings, match="SASL_SSL needs __USERNAME and __PASSWORD"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TELLTALE_PSEUDONYM_KEY", "too-short-canary"),
        ("TELLTALE_DATABASE_URL", "mysql://user:canary@host/db"),
        ("TELLTALE_SECURITY", '{"password": "canary"'),
        ("TELLTALE_SECURITY", '{"password": ["canary"]}'),
        ("TELLTALE_REGISTRY_URL", "http://user:canary@registry"),
    ],
)
def test_no_secret_reaches_an_error_or_a_repr(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors and dumps of settings end up in logs that more people read than may know a password."""
    monkeypatch.setenv(name, value)

    try:
        told = repr(load_settings())
    except InvalidSettings as error:
        told = f"{error} {error.hint} {error.__cause__!r}"

    assert "canary" not in told


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a deployment shares stands in the file, what differs in the environment."""
    file = tmp_path / "telltale.toml"
    file.write_text(
        'brokers = "file:9092"\npartitions = 6\n[security]\nusername = "ana"\npassword = "secret"\n'
    )
    monkeypatch.setenv("TELLTALE_CONFIG", str(file))
    monkeypatch.setenv("TELLTALE_BROKERS", "environment:9092")
    monkeypatch.setenv("TELLTALE_SECURITY__PROTOCOL", "SASL_SSL")

    settings = load_settings("brokers")

    assert (settings.brokers, settings.partitions) == ("environment:9092", 6)
    assert (settings.security.protocol, settings.security.username) == ("SASL_SSL", "ana")


def test_a_misspelt_key_in_the_file_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default in its place would be found out in production."""
    file = tmp_path / "telltale.toml"
    file.write_text("partition = 6\n")
    monkeypatch.setenv("TELLTALE_CONFIG", str(file))

    with pytest.raises(InvalidSettings, match="TELLTALE_PARTITION: no such setting"):
        load_settings()


@pytest.mark.parametrize("text", [None, "partitions = "])
def test_a_file_that_cannot_be_read_is_named(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that was asked for and is not there must not pass for an empty file."""
    file = tmp_path / "telltale.toml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("TELLTALE_CONFIG", str(file))

    with pytest.raises(InvalidSettings, match=str(file)):
        load_settings()


def test_the_database_address_names_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """What people copy from elsewhere begins with postgres:// or postgresql://."""
    monkeypatch.setenv("TELLTALE_DATABASE_URL", "postgres://user:p@host/db")
    monkeypatch.setenv("TELLTALE_PSEUDONYM_KEY", KEY)

    settings = load_settings("database_url", "pseudonym_key")

    assert settings.database_url.get_secret_value() == "postgresql+psycopg://user:p@host/db"
    assert settings.pseudonym_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    "url",
    [
        "host=db user=u password=canary",
        "postgresql://u:p@canary@127.0.0.1:5432/t",
        "postgresql://u:canary/x@127.0.0.1:5432/t",
        "postgresql://u:p@127.0.0.1:54x/canary",
        "postgresql://u:p@127.0.0.1:70000/canary",
    ],
)
def test_a_database_address_that_a_driver_would_misread_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take a part of the password for the host and name it in its error; the hint is escaping."""
    monkeypatch.setenv("TELLTALE_DATABASE_URL", url)

    with pytest.raises(InvalidSettings, match="TELLTALE_DATABASE_URL: must be") as refused:
        load_settings("database_url")

    assert "canary" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("url", ["postgresql://u:p%40x@[::1]:5432/t", "postgresql:///t?host=/run/postgresql"])
def test_escapes_and_sockets_are_good_addresses(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the driver knows them."""
    monkeypatch.setenv("TELLTALE_DATABASE_URL", url)

    assert load_settings("database_url").database_url.get_secret_value().endswith(url.partition("://")[2])


@pytest.mark.parametrize("length", [31, 65])
def test_a_key_of_the_wrong_length_is_refused_at_once(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short one can be tried out, and the hash takes no longer one."""
    monkeypatch.setenv("TELLTALE_PSEUDONYM_KEY", "k" * length)

    with pytest.raises(InvalidSettings, match=f"has {length} bytes, not 32 to 64"):
        load_settings()


def test_files_and_folders_are_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong path is told at the start, not when the file is first needed."""
    monkeypatch.setenv("TELLTALE_SECURITY__CA_FILE", "/nowhere/ca.pem")
    monkeypatch.setenv("TELLTALE_SCORECARDS", "/nowhere")

    with pytest.raises(InvalidSettings) as failure:
        load_settings()

    assert "/nowhere/ca.pem is not a file" in str(failure.value)
    assert "/nowhere is not a folder" in str(failure.value)


def test_every_setting_says_what_it_means() -> None:
    """The description is what an operator is told about a wrong value."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TELLTALE_BROKER", "did you mean TELLTALE_BROKERS?"),
        ("TELLTALE_METRIC_PORT", "did you mean TELLTALE_METRICS_PORT?"),
        ("TELLTALE_SECURITY_USERNAME", "did you mean TELLTALE_SECURITY__USERNAME?"),
        ("TELLTALE_XYZ", "`telltale settings` lists all"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would else be as if it had not been set, and nobody would know."""
    monkeypatch.setenv(name, "1")

    with pytest.raises(InvalidSettings, match=rf"{name}: no such setting.*{re.escape(meant)}"):
        load_settings()


def test_a_misspelt_key_of_the_file_is_refused_with_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the environment."""
    file = tmp_path / "telltale.toml"
    file.write_text('broker = "kafka:9092"\n')
    monkeypatch.setenv("TELLTALE_CONFIG", str(file))

    with pytest.raises(
        InvalidSettings, match=r"TELLTALE_BROKER: no such setting, did you mean TELLTALE_BROKERS\?"
    ):
        load_settings()


def test_variables_of_kubernetes_for_a_service_of_our_name_are_no_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service `telltale-health` sets these in every container beside it."""
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_METRICS", "PORT", "PORT_9100_TCP_ADDR"):
        monkeypatch.setenv(f"TELLTALE_HEALTH_{name}", "10.0.0.7")

    assert load_settings().partitions == 12


def test_every_setting_is_listed_with_its_meaning_and_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process would run with; a secret is shown as being there, and no more."""
    file = tmp_path / "telltale.toml"
    file.write_text('partitions = 3\n[security]\nmechanism = "PLAIN"\n')
    monkeypatch.setenv("TELLTALE_CONFIG", str(file))
    monkeypatch.setenv("TELLTALE_PSEUDONYM_KEY", KEY)

    found = {row.name: row for row in described_settings()}

    assert all(row.meaning for row in found.values())
    assert found["TELLTALE_PARTITIONS"][2:] == ("3", "file")
    assert found["TELLTALE_SECURITY__MECHANISM"][2:] == ("PLAIN", "file")
    assert found["TELLTALE_PSEUDONYM_KEY"][2:] == ("********", "environment")
    assert found["TELLTALE_DATABASE_URL"][2:] == ("", "default")
    assert KEY not in repr(found)


def test_a_table_that_one_variable_gives_as_json_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The keys it names, and no others."""
    monkeypatch.setenv("TELLTALE_SECURITY", '{"mechanism": "PLAIN"}')

    found = {row.name: row.source for row in described_settings()}

    assert found["TELLTALE_SECURITY__MECHANISM"] == "environment"
    assert found["TELLTALE_SECURITY__PROTOCOL"] == "default"
