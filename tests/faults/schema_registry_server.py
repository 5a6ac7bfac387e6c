"""
A schema registry of Confluent's API in this process, as much as a reader asks of it; it can fail on demand.
"""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.faults.outside_avro import SCHEMAS, OutsideAvro


class SchemaRegistryServer:
    """
    Answers with the shipped schemas under their shipped ids, and with those in *further* by id.

    While *status* is not 200 every request is answered with it.
    """

    def __init__(self, further: Mapping[int, Mapping[str, Any]]) -> None:
        self.status = 200
        self.asked = 0
        shipped = OutsideAvro()
        self._schemas = {number: shipped.file_of(number).read_text() for number in shipped.ids.values()}
        self._schemas |= {number: json.dumps(schema) for number, schema in further.items()}
        self._subjects = {f"{topic}-value": number for topic, number in shipped.ids.items()}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        words = path.partition("?")[0].strip("/").split("/")
        number = self._subjects.get(words[1], 0) if words[0] == "subjects" else int(words[2])
        if self.status != 200:
            return self.status, {"error_code": self.status * 100, "message": "told to fail"}
        if number not in self._schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        text = self._schemas[number]
        return 200, {"subject": words[1], "id": number, "version": 1, "schemaType": "AVRO", "schema": text}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._reply()

            def _reply(self) -> None:
                status, body = answer(self.path)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def login_schema() -> dict[str, Any]:
    """The shipped schema of a login, to make others of."""
    schema: dict[str, Any] = json.loads((SCHEMAS / "login" / "v1.avsc").read_text())
    return schema
