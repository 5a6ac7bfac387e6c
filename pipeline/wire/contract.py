"""
The contract as data: every topic and every schema version, read from ``schemas/``.

Everything that names a topic, a subject or a schema file asks here; nothing here talks to a broker or a
registry (``registry.py``) or turns values into bytes (``avro.py``)::

    contract = Contract.load()                    # or Contract.load(prefix="bench-7.") for names of one's own
    contract.input("support-ticket").name         # customer.support-ticket.v1
    contract.log.name, contract.alert.subject     # health.account-log.v1, health.alert.v1-value
    contract.dead_letter(topic).name              # customer.login.v1.dlq

    TelltaleError
    └── UnknownTopic      a name or a source that topics.yaml does not have
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import yaml

from pipeline.errors import TelltaleError

Schema: TypeAlias = Mapping[str, Any]
"""An Avro schema as JSON has it."""

Cleanup: TypeAlias = Literal["delete", "compact"]
PartitionCount: TypeAlias = Literal["input", "log"]
Compatibility: TypeAlias = Literal["backward_transitive", "full_transitive"]

_PACKAGED: Final = Path(__file__).parents[1] / "_schemas"
_CHECKOUT: Final = Path(__file__).parents[2] / "schemas"

TOPIC_ID_SEPARATOR: Final = "@"
"""
Stands in a log entry's source between the input's short name and the topic id, where a broker tells
one.
"""

_LOG: Final = "health.account-log.v1"
_CHANGE: Final = "health.change.v1"
_CURRENT: Final = "health.current.v1"
_ALERT: Final = "health.alert.v1"


class UnknownTopic(TelltaleError):  # noqa: N818 - reads as what happened
    """A topic or source that ``schemas/topics.yaml`` does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """
    One topic as ``topics.yaml`` declares it.

    *name* carries the prefix. *schema* is the folder of the value's schema, ``None`` where values are bytes
    as received (dead letters). *retention_days* ``None`` keeps records for good. *partitions* says whose
    count it has: the operator's choice (``input``) or the one count of log, outputs and changelog (``log``).
    *source* is the short name of an input in log entries and metrics, ``None`` elsewhere.
    """

    name: str
    key: str
    schema: str | None
    cleanup: Cleanup
    retention_days: int | None
    partitions: PartitionCount
    source: str | None
    compatibility: Compatibility | None
    producers: tuple[str, ...]
    consumers: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The topic's subject in a schema registry (strategy TOPIC)."""
        return f"{self.name}-value"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSchema:
    """One line of ``registry.yaml``: *schema_id* names this schema for ever in the embedded registry."""

    schema_id: int
    subject: str
    file: str
    schema: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """
    Topics by name (dead letters included), registered schemas by id, and schema versions by folder, oldest
    first.

    The topic of an input's dead letters is named like it, with *dead_letter_suffix* behind. With a *prefix*
    every topic and subject name opens with it, so that several pipelines share a broker.
    """

    prefix: str
    topics: Mapping[str, Topic]
    dead_letter_suffix: str
    registered: Mapping[int, RegisteredSchema]
    versions: Mapping[str, tuple[Schema, ...]]

    @classmethod
    def load(cls, prefix: str = "", folder: Path | None = None) -> "Contract":
        """Read *folder*, or the schemas this package was installed or checked out with."""
        folder = folder or (_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT)
        declared = yaml.safe_load((folder / "topics.yaml").read_text("utf-8"))
        topics = {prefix + name: _topic(prefix + name, row) for name, row in declared["topics"].items()}
        dead = declared["dead_letters"]
        dead_letters = {
            f"{t.name}{dead['suffix']}": _dead_letter(t, dead) for t in topics.values() if t.source
        }
        lines = yaml.safe_load((folder / "registry.yaml").read_text("utf-8"))
        schemas = {
            file: json.loads(file.read_text("utf-8"))
            for file in sorted(folder.glob("*/v*.avsc"), key=_version)
        }
        return cls(
            prefix=prefix,
            topics=topics | dead_letters,
            dead_letter_suffix=dead["suffix"],
            registered={
                line["id"]: RegisteredSchema(
                    schema_id=line["id"],
                    subject=prefix + line["subject"],
                    file=line["file"],
                    schema=schemas[folder / line["file"]],
                )
                for line in lines
            },
            versions=_by_folder(schemas.items()),
        )

    def topic(self, name: str) -> Topic:
        """The topic of this full name; ``UnknownTopic`` names the known ones."""
        try:
            return self.topics[name]
        except KeyError:
            known = ", ".join(sorted(self.topics))
            raise UnknownTopic(f'"{name}" is not in schemas/topics.yaml. Known: {known}.') from None

    def input(self, source: str) -> Topic:
        """The input topic of this short name (login, support-ticket, …)."""
        for topic in self.inputs:
            if topic.source == source:
                return topic
        known = ", ".join(sorted(topic.source or "" for topic in self.inputs))
        raise UnknownTopic(f'"{source}" is no input in schemas/topics.yaml. Known: {known}.')

    def dead_letter(self, topic: Topic) -> Topic:
        """Where records of input *topic* go that cannot be used."""
        return self.topic(topic.name + self.dead_letter_suffix)

    @property
    def inputs(self) -> tuple[Topic, ...]:
        """The input topics, in the order of ``topics.yaml``."""
        return tuple(topic for topic in self.topics.values() if topic.source)

    @property
    def log(self) -> Topic:
        """The account log."""
        return self.topic(self.prefix + _LOG)

    @property
    def change(self) -> Topic:
        """Every change of an account's health."""
        return self.topic(self.prefix + _CHANGE)

    @property
    def current(self) -> Topic:
        """The latest health per account."""
        return self.topic(self.prefix + _CURRENT)

    @property
    def alert(self) -> Topic:
        """The alerts' transitions."""
        return self.topic(self.prefix + _ALERT)

    @property
    def outputs(self) -> tuple[Topic, Topic, Topic]:
        """What health hands out: the latest health, the changes, the alerts."""
        return self.current, self.change, self.alert

    def newest(self, topic: Topic) -> Schema:
        """
        The newest version of the schema of *topic*'s values: what we write, and what we read everything as.
        """
        if topic.schema is None:
            raise UnknownTopic(f'"{topic.name}" has no schema: its values are bytes as received.')
        return self.versions[topic.schema][-1]


def _topic(name: str, row: Mapping[str, Any]) -> Topic:
    return Topic(
        name=name,
        key=row["key"],
        schema=row["schema"],
        cleanup=row["cleanup"],
        retention_days=row["retention"],
        partitions=row["partitions"],
        source=row.get("source"),
        compatibility=row["compatibility"],
        producers=tuple(row["producers"]),
        consumers=tuple(row["consumers"]),
    )


def _dead_letter(topic: Topic, row: Mapping[str, Any]) -> Topic:
    return Topic(
        name=f"{topic.name}{row['suffix']}",
        key="as received",
        schema=None,
        cleanup=row["cleanup"],
        retention_days=row["retention"],
        partitions=row["partitions"],
        source=None,
        compatibility=None,
        producers=("intake", "telltale dlq"),
        consumers=("intake", "telltale dlq"),
    )


def _version(file: Path) -> tuple[str, int]:
    return file.parent.name, int(file.stem.removeprefix("v"))


def _by_folder(schemas: Iterable[tuple[Path, Schema]]) -> dict[str, tuple[Schema, ...]]:
    versions: dict[str, tuple[Schema, ...]] = {}
    for file, schema in schemas:
        versions[file.parent.name] = (*versions.get(file.parent.name, ()), schema)
    return versions
