"""
What is installed where: the locks, the image and the compose file agree with pyproject.toml and with each
other.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE: Final = (ROOT / "deploy" / "Dockerfile").read_text()
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

LOCKS: Final = ("requirements.lock", "requirements-runtime.lock", "requirements-build.lock")
OURS: Final = [name for name, service in COMPOSE["services"].items() if "build" in service]


def locked(name: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Version, with its marker, and hashes of each package in a lock."""
    text = re.sub(r"\n +# .*", "", (ROOT / name).read_text())
    packages = {}
    for line in text.replace("\\\n", " ").splitlines():
        what, *hashes = line.split(" --hash=")
        package, _, version = what.partition("==")
        packages[package] = version.strip(), tuple(sha.strip() for sha in hashes)
    return packages


def requirements(lines: list[Any]) -> list[Requirement]:
    """Those of a list in pyproject.toml, without the groups it includes."""
    return [Requirement(line) for line in lines if isinstance(line, str)]


def names(lines: list[Any]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements(lines)}


DEVELOPMENT: Final = names(PROJECT["dependency-groups"]["dev"])
DEMO: Final = names(PROJECT["project"]["optional-dependencies"]["demo"])


def test_a_deployment_gets_neither_test_tools_nor_a_database_server() -> None:
    """The image installs the runtime lock, and what builds it stays in the first stage."""
    installed = re.findall(r"pip (.*) install .*--requirement (\S+)", DOCKERFILE)

    assert ("--python /opt/telltale/bin/python", "requirements-runtime.lock") in installed
    assert "requirements.lock" not in DOCKERFILE
    assert locked("requirements-runtime.lock").keys() & (DEVELOPMENT | DEMO) == set()
    assert re.findall(r"^COPY --from=build (\S+)", DOCKERFILE, re.MULTILINE) == ["/opt/telltale"]


def test_the_runtime_lock_has_every_dependency_in_its_range() -> None:
    """A dependency that was added is locked: `make lock`."""
    runtime = locked("requirements-runtime.lock")

    wrong = [
        str(requirement)
        for requirement in requirements(PROJECT["project"]["dependencies"])
        if not requirement.specifier.contains(runtime[canonicalize_name(requirement.name)][0])
    ]
    assert wrong == []


def test_the_lock_of_a_checkout_has_what_is_developed_with() -> None:
    """`make setup` installs the demo's server and the test tools too."""
    everything = names(PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["build"])

    assert everything | DEVELOPMENT | DEMO <= locked("requirements.lock").keys()


@pytest.mark.parametrize("name", LOCKS[1:])
def test_the_smaller_locks_are_part_of_the_large_one(name: str) -> None:
    """What was tested is what is deployed: the same versions, the same files."""
    assert locked(name).items() <= locked("requirements.lock").items()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_hashes_and_no_host(name: str) -> None:
    """Anybody's index or mirror will do, and no other file is taken for a package."""
    text = (ROOT / name).read_text()

    assert [package for package, (_, hashes) in locked(name).items() if not hashes] == []
    assert re.findall(r"^--|https?:|file:", text, re.MULTILINE) == []


def test_the_image_is_built_from_what_it_copies_and_from_nothing_else() -> None:
    """Keys in .run, results of tests and the history of the repository do not reach the builder."""
    first, *rest = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    copied = {
        word.rstrip("/")
        for line in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }

    assert first == "*"
    assert {line[1:] for line in rest if line.startswith("!")} == copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_every_image_is_pinned_to_a_release() -> None:
    """Built again next year it has the same parts."""
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    images += [service["image"] for service in COMPOSE["services"].values()]

    assert [image for image in images if not re.search(r":\d+\.\d+", image)] == []
    assert {PROJECT["project"]["version"]} == {
        COMPOSE["services"][name]["image"].partition(":")[2] for name in OURS
    }


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_can_do_little_and_write_to_disk_only_where_it_must(name: str) -> None:
    """
    Nobody's user, a root that is read only, /tmp in memory, and /var/tmp, where a rebuild writes, on disk.
    """
    service = COMPOSE["services"][name]

    assert re.findall(r"^USER (.*)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["volumes"] == ["/var/tmp"]
    assert "VOLUME /var/tmp" in DOCKERFILE


def test_ports_are_bound_to_this_machine() -> None:
    """Kafka, the database and the metrics have no password for strangers."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]

    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_licence_is_there_in_full() -> None:
    """And the package says which it is."""
    text = (ROOT / "LICENSE").read_text()

    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text
