"""``telltale schemas`` with the registry that every process carries."""

import json

import pytest
from click.testing import CliRunner, Result

from pipeline import cli


def run(*arguments: str) -> Result:
    return CliRunner(
        env={"TELLTALE_CONFIG": "", "TELLTALE_REGISTRY_URL": "", "TELLTALE_TOPIC_PREFIX": ""}
    ).invoke(cli.main, ["schemas", *arguments])


def test_every_topic_with_values_is_listed_with_its_id() -> None:
    """The ids are those of registry.yaml: what is on the wire names them."""
    rows = [json.loads(line) for line in run("ls", "--json").stdout.splitlines()]

    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6, 7, 11, 9, 10]
    assert {row["compatibility"] for row in rows if row["topic"].startswith("health.c")} == {
        "full_transitive"
    }


def test_the_shipped_schemas_are_compatible_and_registered() -> None:
    """What CI and a deployment ask."""
    result = run("check")

    assert (result.exit_code, result.stdout) == (0, "10 schemas are compatible and registered\n")
    assert run("check", "--json").stdout == ""


def test_a_broken_promise_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment must stop here, and not at a reader who cannot read any more."""
    monkeypatch.setattr(
        "pipeline.wire.compatibility.incompatibilities", lambda _: ["login v2 cannot read what v1 wrote"]
    )

    result = run("check")

    assert (result.exit_code, result.stdout) == (1, "login v2 cannot read what v1 wrote\n")
    assert result.stderr == "error: faults in the schemas: 1\n"
    as_json = run("check", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (
        1,
        {"fault": "login v2 cannot read what v1 wrote"},
    )


def test_registering_names_every_subject_and_its_id() -> None:
    """With the embedded registry it changes nothing."""
    assert "     1  customer.login.v1-value\n" in run("register").stdout
    first = json.loads(run("register", "--json").stdout.splitlines()[0])
    assert first == {"topic": "customer.login.v1", "subject": "customer.login.v1-value", "id": 1}
