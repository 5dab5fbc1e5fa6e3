"""A schema registry for tests: the part of its documented REST API that we use, over real HTTP.

Source: Confluent's "Schema Registry API Reference": subjects, schemas, errors.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
SCHEMA_NOT_FOUND = {"error_code": 40403, "message": "Schema not found"}
UNAUTHORIZED = {"error_code": 401, "message": "Unauthorized"}
INCOMPATIBLE = {"error_code": 409, "message": "Schema being registered is incompatible"}
BACKEND_ERROR = {"error_code": 50001, "message": "Error in the backend data store"}


@dataclass(slots=True)
class RegistryStub:
    """A registry that listens while it is entered; ids are given from 1."""

    login: str | None = None
    texts: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    # Answered with a server error before it works again.
    failures: int = 0
    incompatible: bool = False
    _server: ThreadingHTTPServer = field(init=False)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, text: str) -> int:
        """Return the id of *text*, new or known."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1

    def answer(self, method: str, path: str, body: Any, authorization: str) -> tuple[int, Any]:
        """Return status and body for a request."""
        self.requests.append(f"{method} {path}")
        if self.failures:
            self.failures -= 1
            return 500, BACKEND_ERROR
        if self.login is not None:
            expected = "Basic " + base64.b64encode(self.login.encode()).decode()
            if authorization != expected:
                return 401, UNAUTHORIZED
        match method, path.strip("/").split("/"):
            case "POST", ["subjects", _, "versions"] if self.incompatible:
                return 409, INCOMPATIBLE
            case "POST", ["subjects", _, "versions"]:
                return 200, {"id": self.add(body["schema"])}
            case "GET", ["schemas", "ids", number] if 0 < int(number) <= len(self.texts):
                return 200, {"schema": self.texts[int(number) - 1]}
        return 404, SCHEMA_NOT_FOUND

    def __enter__(self) -> RegistryStub:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._respond("GET")

            def do_POST(self) -> None:
                self._respond("POST")

            def _respond(self, method: str) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                path = unquote(urlsplit(self.path).path)
                authorization = self.headers.get("Authorization") or ""
                status, answer = stub.answer(method, path, body, authorization)
                payload = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
