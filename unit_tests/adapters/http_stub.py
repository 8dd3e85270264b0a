"""A tiny cloud over HTTP for tests of our HTTP client: it records each request and answers what it is told to.

It knows Keystone's tokens and nothing else; every other answer is set by the test.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the stub does with one request: it may answer late, byte by byte, or drop the connection without a word."""

    body: Mapping[str, Any] | str = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drops: bool = False
    byte_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class Stub:
    """Answers of the test by method and path, in order; the last one of a path stays."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.tokens = 0
        self.keystone = Answer(status=201)
        self._answers: dict[tuple[str, str], deque[Answer]] = {}
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, *answers: Answer) -> None:
        """Set the answers to `method` on `path` (without the query)."""
        self._answers[method, path] = deque(answers)

    def sent(self, method: str | None = None) -> list[Request]:
        """List what arrived, without the requests to Keystone."""
        return [
            request
            for request in self.requests
            if not request.path.startswith("/v3") and method in (None, request.method)
        ]

    def take(self, request: Request) -> Answer:
        """Record a request and find its answer."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/v3":
                return Answer(body=self._versions())
            if request.path == "/v3/auth/tokens":
                self.tokens += 1
                return self._token()
            answers = self._answers.get((request.method, request.path))
            if not answers:
                return Answer(status=599, body=f"the test set no answer for {request.method} {request.path}")
            return answers.popleft() if len(answers) > 1 else answers[0]

    def _versions(self) -> dict[str, Any]:
        link = {"rel": "self", "href": f"{self.url}/v3"}
        return {"version": {"id": "v3.14", "status": "stable", "links": [link]}}

    def _token(self) -> Answer:
        if self.keystone.status != 201:
            return self.keystone
        token = {
            "methods": ["password"],
            "user": {"id": "u", "name": "masakari", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": "p", "name": "service", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "r", "name": "admin"}],
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "issued_at": "2025-01-01T00:00:00.000000Z",
            "catalog": [self._service("compute", "/compute/v2.1"), self._service("placement", "/placement")],
        }
        return Answer(
            status=201,
            body={"token": token},
            headers={"X-Subject-Token": f"token-{self.tokens}"},
            delay_seconds=self.keystone.delay_seconds,
        )

    def _service(self, kind: str, path: str) -> dict[str, Any]:
        endpoint = {"id": kind, "interface": "internal", "region": "one", "region_id": "one"}
        return {
            "id": kind,
            "type": kind,
            "name": kind,
            "endpoints": [
                {**endpoint, "url": f"{self.url}{path}"},
                {**endpoint, "interface": "public", "url": "http://198.51.100.1:1/not-this-one"},
                {**endpoint, "region": "two", "region_id": "two", "url": "http://198.51.100.1:1/nor-this"},
            ],
        }


@contextmanager
def running_stub() -> Iterator[Stub]:
    """Serve a stub on a free port of loopback."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.stub = Stub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Handler.stub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        answer = self.stub.take(
            Request(
                method=self.command,
                path=parts.path,
                query={name: values[0] for name, values in parse_qs(parts.query).items()},
                headers=dict(self.headers.items()),
                body=json.loads(raw) if raw else None,
            )
        )
        time.sleep(answer.delay_seconds)
        if answer.drops:
            self.close_connection = True
            return
        self._reply(answer)

    do_GET = do_POST = do_PUT = _serve

    def _reply(self, answer: Answer) -> None:
        is_text = isinstance(answer.body, str)
        payload = str(answer.body).encode() if is_text else json.dumps(answer.body).encode()
        try:
            self.send_response(answer.status)
            self.send_header("Content-Type", "text/html" if is_text else "application/json")
            self.send_header("Content-Length", str(len(payload)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            pieces = [payload] if not answer.byte_seconds else [bytes([byte]) for byte in payload]
            for piece in pieces:
                self.wfile.write(piece)
                time.sleep(answer.byte_seconds)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
