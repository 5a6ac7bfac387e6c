"""
Which id stands for which schema: the embedded registry (``schemas/registry.yaml``) or a Confluent-API one by
URL.

Codecs ask once per schema and keep the answer; bytes are ``avro.py``'s, rules of change
``compatibility.py``'s.

    TelltaleError
    ├── SchemaNotRegistered     the registry does not have our schema yet: register it, then start again
    ├── SchemaRefused           the registry will not take our schema: it breaks the subject's compatibility
    ├── InvalidRegistryUrl      no client can be made for this address
    └── RegistryUnavailable     no answer now: wait and ask again, never a dead letter
    LookupError
    └── UnknownSchemaId         no schema has this id: the record that bears it is a dead letter
"""

# ruff: noqa: PLC0415  # the Confluent client takes 0.8 s to import, which the embedded registry's users need not pay

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from pipeline.errors import TelltaleError
from pipeline.wire.contract import Contract, Schema, Topic

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema as Registrable

T = TypeVar("T")

REQUEST_TIMEOUT: Final = 3.0
"""Seconds for one request: asked inside an event loop, it must end well before a 20 s session does."""

_CHECK_URL: Final = "Check TELLTALE_REGISTRY_URL, its user and its password."
_NOT_FOUND: Final = 404
_REFUSED: Final = frozenset({409, 422})


class UnknownSchemaId(LookupError):  # noqa: N818 - these read as what happened
    """No schema has this id."""


class SchemaNotRegistered(TelltaleError):  # noqa: N818
    """The registry does not have the schema we want to write with."""


class SchemaRefused(TelltaleError):  # noqa: N818
    """The registry refuses a schema as incompatible or invalid."""


class InvalidRegistryUrl(TelltaleError):  # noqa: N818
    """The address is no URL of a registry."""


class RegistryUnavailable(TelltaleError):  # noqa: N818
    """The registry gave no usable answer; asking again later may help."""


class Registry(Protocol):
    """What the codecs need of a registry."""

    def id_for(self, topic: Topic) -> int:
        """Id of the newest schema of *topic*'s values; ``SchemaNotRegistered`` or ``RegistryUnavailable``."""

    def schema_for(self, schema_id: int) -> Schema:
        """Schema with this id; ``UnknownSchemaId`` or ``RegistryUnavailable``."""

    def register(self, topic: Topic) -> int:
        """
        Make sure that the newest schema of *topic* is registered, and give its id; may be ``SchemaRefused``.
        """


def open_registry(contract: Contract, url: str = "", credentials: str = "") -> Registry:
    """
    The registry at *url* (user and password there or as ``user:password``), the embedded one without a URL.
    """
    return ConfluentRegistry(contract, url, credentials) if url else EmbeddedRegistry(contract)


class EmbeddedRegistry:
    """The registry that every process carries: ids from ``registry.yaml``, so they agree without a server."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def id_for(self, topic: Topic) -> int:
        """Id of the newest schema of *topic*'s values."""
        newest = self._contract.newest(topic)
        for line in self._contract.registered.values():
            if line.subject == topic.subject and line.schema == newest:
                return line.schema_id
        raise SchemaNotRegistered(
            f"The newest schema of {topic.name} is not in schemas/registry.yaml.",
            hint="Append a line with the next id; never change one.",
        )

    def schema_for(self, schema_id: int) -> Schema:
        """Schema with this id."""
        try:
            return self._contract.registered[schema_id].schema
        except KeyError:
            raise UnknownSchemaId(f"No schema has id {schema_id} in schemas/registry.yaml.") from None

    def register(self, topic: Topic) -> int:
        """Id of the newest schema: the file is the registration."""
        return self.id_for(topic)


class ConfluentRegistry:
    """
    A registry that speaks Confluent's API (Confluent, Apicurio ccompat, Karapace, Redpanda).

    Every call is a blocking request of at most ``REQUEST_TIMEOUT`` seconds unless it was answered before.
    """

    def __init__(self, contract: Contract, url: str, credentials: str = "") -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        settings: dict[str, str | float] = {"url": url, "timeout": REQUEST_TIMEOUT, "max.retries": 0}
        if credentials:
            settings["basic.auth.user.info"] = credentials
        self._contract = contract
        try:
            self._client = SchemaRegistryClient(settings)
        except ValueError:  # Not chained: it quotes the URL, which may hold a password.
            message = "The registry's address is no http:// or https:// URL."
            raise InvalidRegistryUrl(message, hint=_CHECK_URL) from None

    def id_for(self, topic: Topic) -> int:
        """Id under which *topic*'s subject has our newest schema."""
        schema = self._schema(topic)
        try:
            found = self._ask(lambda: self._client.lookup_schema(topic.subject, schema))
        except _NotFound:
            raise SchemaNotRegistered(
                f"The registry does not have the newest schema of {topic.name} under {topic.subject}.",
                hint="`telltale schemas register` adds it.",
            ) from None
        assert found.schema_id is not None  # every answer has one
        return found.schema_id

    def schema_for(self, schema_id: int) -> Schema:
        """Schema with this id, from whatever subject."""
        try:
            found = self._ask(lambda: self._client.get_schema(schema_id))
        except _NotFound:
            raise UnknownSchemaId(f"The registry knows no schema with id {schema_id}.") from None
        schema = json.loads(found.schema_str or "null") if found.schema_type == "AVRO" else None
        if not isinstance(schema, dict):
            raise UnknownSchemaId(f"Schema {schema_id} of the registry is not an Avro record.")
        return schema

    def register(self, topic: Topic) -> int:
        """Register *topic*'s newest schema, after setting the subject's compatibility level."""
        schema = self._schema(topic)
        level = (topic.compatibility or "none").upper()
        self._ask(lambda: self._client.set_compatibility(topic.subject, level))
        return self._ask(lambda: self._client.register_schema(topic.subject, schema))

    def _schema(self, topic: Topic) -> "Registrable":
        from confluent_kafka.schema_registry import Schema as Registrable

        return Registrable(json.dumps(self._contract.newest(topic)), "AVRO")

    def _ask(self, question: Callable[[], T]) -> T:
        from confluent_kafka.schema_registry import SchemaRegistryError
        from httpx2 import HTTPError

        try:
            return question()
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                raise _NotFound from error
            if error.http_status_code in _REFUSED:
                raise SchemaRefused(
                    f"The registry refuses a schema: {error.error_message}",
                    hint="`telltale schemas check` says which version breaks the topic's compatibility.",
                ) from error
            raise RegistryUnavailable(
                f"The registry answers {error.http_status_code}.", hint=_CHECK_URL
            ) from error
        except (HTTPError, ValueError) as error:  # ValueError: no JSON, from a proxy perhaps
            raise RegistryUnavailable(f"The registry gives no answer: {error}", hint=_CHECK_URL) from error


class _NotFound(Exception):  # noqa: N818
    """Whatever was asked for is not there."""
