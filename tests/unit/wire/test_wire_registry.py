"""A registry over HTTP, as Confluent's API has it; only the server is a stand-in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from pipeline.wire.avro import Decoder, Encoder, Undecodable
from pipeline.wire.registry import (
    ConfluentRegistry,
    EmbeddedRegistry,
    RegistryUnavailable,
    SchemaNotRegistered,
    SchemaRefused,
    UnknownSchemaId,
    open_registry,
)
from tests.unit.wire.wire_builders import CONTRACT, LOGIN, REGISTRY

LOGINS = CONTRACT.input("login")
LOGIN_SCHEMA = json.dumps(CONTRACT.newest(LOGINS))

Answers = dict[str, tuple[int, Any]]


@contextmanager
def serving(answers: Answers) -> Iterator[tuple[str, list[str]]]:
    """A server that gives *answers* by path, 404 else; its URL, and the requests it got."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path = self.path.split("?")[0]
            requests.append(f"{self.command} {path} {self.headers.get('Authorization', '')}".strip())
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answers.get(path, (404, {"error_code": 40403, "message": "not found"}))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names http.server looks for

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


HAS_LOGIN: Answers = {
    "/subjects/customer.login.v1-value": (
        200,
        {"subject": "customer.login.v1-value", "id": 1007, "version": 3, "schema": LOGIN_SCHEMA},
    ),
    "/schemas/ids/1007": (200, {"schema": LOGIN_SCHEMA}),
}


def test_without_a_url_the_registry_is_the_file() -> None:
    """Nothing to install, and every process has the same ids."""
    registry = open_registry(CONTRACT)

    assert isinstance(registry, EmbeddedRegistry)
    assert registry.id_for(LOGINS) == 1
    assert registry.register(LOGINS) == 1
    with pytest.raises(UnknownSchemaId):
        registry.schema_for(99)


def test_ids_are_the_registrys_own() -> None:
    """The codec writes and reads with whatever id the registry gave the schema, and asks once."""
    with serving(HAS_LOGIN) as (url, requests):
        registry = open_registry(CONTRACT, url)
        payload = Encoder(LOGINS, CONTRACT, registry).encode(LOGIN)
        decoder = Decoder(LOGINS, CONTRACT, registry)

        assert payload[:5] == b"\0" + (1007).to_bytes(4)
        assert [decoder.decode(payload) for _ in range(3)] == [LOGIN] * 3
    assert requests == ["POST /subjects/customer.login.v1-value", "GET /schemas/ids/1007"]


def test_credentials_go_into_the_request() -> None:
    """As user and password of basic authentication."""
    with serving(HAS_LOGIN) as (url, requests):
        ConfluentRegistry(CONTRACT, url, "user:secret").id_for(LOGINS)

    assert requests == ["POST /subjects/customer.login.v1-value Basic dXNlcjpzZWNyZXQ="]


def test_a_schema_that_is_not_there_yet_is_named_with_the_command() -> None:
    """Somebody forgot the deploy step."""
    with serving({}) as (url, _), pytest.raises(SchemaNotRegistered, match=r"customer\.login\.v1") as caught:
        ConfluentRegistry(CONTRACT, url).id_for(LOGINS)

    assert "telltale schemas register" in caught.value.hint


def test_an_id_the_registry_does_not_know_is_the_records_fault() -> None:
    """It goes aside, since asking again will not help."""
    payload = Encoder(LOGINS, CONTRACT, REGISTRY).encode(LOGIN)
    with serving({}) as (url, _), pytest.raises(Undecodable, match="no schema has the id 1") as caught:
        Decoder(LOGINS, CONTRACT, ConfluentRegistry(CONTRACT, url)).decode(payload)

    assert caught.value.code == "unknown_schema"


@pytest.mark.parametrize("answer", [(500, {}), (503, b"busy"), (401, {}), (200, b"<html>sign in</html>")])
def test_any_other_answer_is_not_the_records_fault(answer: tuple[int, Any]) -> None:
    """The registry, a proxy or the password: wait, and ask again."""
    with serving({"/schemas/ids/7": answer}) as (url, _), pytest.raises(RegistryUnavailable):
        ConfluentRegistry(CONTRACT, url).schema_for(7)


def test_a_registry_that_is_down_is_not_the_records_fault() -> None:
    """Nor is an address at which nobody listens; the password in it is not shown."""
    with serving({}) as (url, _):
        pass
    with pytest.raises(RegistryUnavailable) as caught:
        ConfluentRegistry(CONTRACT, url.replace("//", "//user:secret@")).schema_for(7)

    assert "secret" not in str(caught.value)


def test_a_schema_that_is_not_avro_is_unknown() -> None:
    """A JSON schema cannot tell what Avro bytes mean."""
    answers: Answers = {"/schemas/ids/7": (200, {"schemaType": "JSON", "schema": "{}"})}
    with serving(answers) as (url, _), pytest.raises(UnknownSchemaId, match="not an Avro record"):
        ConfluentRegistry(CONTRACT, url).schema_for(7)


def test_registering_sets_the_promise_first() -> None:
    """Then the registry itself refuses what breaks it."""
    answers: Answers = {
        "/config/customer.login.v1-value": (200, {"compatibility": "BACKWARD_TRANSITIVE"}),
        "/subjects/customer.login.v1-value/versions": (200, {"id": 1007}),
    }
    with serving(answers) as (url, requests):
        assert ConfluentRegistry(CONTRACT, url).register(LOGINS) == 1007

    assert requests == [
        "PUT /config/customer.login.v1-value",
        "POST /subjects/customer.login.v1-value/versions",
    ]


def test_a_schema_the_registry_refuses_is_an_error_for_people() -> None:
    """With what the registry says about it."""
    answers: Answers = {
        "/config/customer.login.v1-value": (200, {"compatibility": "BACKWARD_TRANSITIVE"}),
        "/subjects/customer.login.v1-value/versions": (409, {"error_code": 409, "message": "incompatible"}),
    }
    with serving(answers) as (url, _), pytest.raises(SchemaRefused, match="incompatible"):
        ConfluentRegistry(CONTRACT, url).register(LOGINS)
