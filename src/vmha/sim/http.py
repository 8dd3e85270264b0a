"""The simulated world in real time over HTTP on loopback: what its APIs share.

One lock guards the world. Whoever holds it first lets the world catch up with the wall clock, and a ticker does so when nobody asks.
An API is a `Part`: a prefix and a table of routes. A call that `Away` befalls is answered with 503, as by a proxy; one that
`NoAnswer` befalls loses its connection.
"""

from __future__ import annotations

import errno
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from cheroot.wsgi import Server

from vmha.sim.gate import Away, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from vmha.sim.world import World

Body = dict[str, Any]

TICK_SECONDS = 0.05
SERVER_THREADS = 16
# Far more than any call of ours; a simulated server need not be a way to fill the memory.
BODY_BYTES = 1_000_000


class LiveWorld:
    """A world whose time is the wall clock's. Its own time began with the present, in seconds since the epoch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._offset = world.now - time.monotonic()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="sim-ticker", daemon=True)

    def start(self) -> None:
        """Begin to let time pass."""
        self._ticker.start()

    def stop(self) -> None:
        """Let no more time pass."""
        self._stopping.set()
        self._ticker.join()

    @contextmanager
    def caught_up(self) -> Iterator[World]:
        """Give the world as it is at this moment, to nobody else meanwhile."""
        with self._lock:
            self._world.advance(self._offset + time.monotonic())
            yield self._world

    def pass_seconds(self, seconds: float) -> None:
        """Let that much time pass, or less if this ends meanwhile."""
        self._stopping.wait(seconds)

    def _tick(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            with self.caught_up():
                pass


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `headers` have names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Body
    url: str

    @property
    def caller(self) -> str:
        """Name the caller by its User-Agent: our engines by the word after "vmha/version", others by the first word."""
        words = self.headers.get("user-agent", "unknown").split()
        if words[0].startswith("vmha/") and len(words) > 1:
            return words[1]
        return words[0]


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, that leaves after `delay_seconds`."""

    status: int
    body: Body | list[Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path with {names}, and who answers. Handlers take the request and the named parts of the path."""

    method: str
    path: str
    handler: Callable[..., Response]

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return the path as an expression; a slash at the end makes no difference."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path.rstrip("/"))) + "/?")


class Part:
    """One API below one prefix."""

    prefix: str

    def __init__(self) -> None:
        self._routes = [(route, route.pattern) for route in self.routes()]

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        raise NotImplementedError

    def explain(self, status: int, message: str) -> Body:
        """Wrap an error as this API does."""
        return {"error": {"code": status, "message": message, "title": HTTPStatus(status).phrase}}

    def headers(self, request: Request) -> dict[str, str]:
        """Return what every answer of this API carries."""
        return {}

    def guard(self, request: Request) -> None:
        """Raise `Refused` or `Away` for whom this API does not answer."""

    def answer(self, request: Request) -> Response:
        """Answer one request, an error too."""
        try:
            self.guard(request)
            response = self._dispatch(request)
        except Refused as refused:
            response = Response(refused.status, self.explain(refused.status, refused.message))
        except Away as away:
            response = Response(503, self.explain(503, str(away)))
        return replace(response, headers={**self.headers(request), **response.headers})

    def _dispatch(self, request: Request) -> Response:
        path, allowed = request.path.removeprefix(self.prefix), []
        for route, pattern in self._routes:
            match = pattern.fullmatch(path)
            if match and route.method == request.method:
                return route.handler(request, **match.groupdict())
            if match:
                allowed.append(route.method)
        if allowed:
            raise Refused(405, f"{request.method} is not possible here, but {', '.join(allowed)}")
        raise Refused(404, f"the simulated cloud has no {request.path}")


class Front(Part):
    """What a visitor finds at the root."""

    prefix = ""

    def routes(self) -> Sequence[Route]:
        """Return the table of routes."""
        return (Route("GET", "/", self._greet),)

    def _greet(self, request: Request) -> Response:
        return Response(200, {"simulated": True, "what": "a simulated cloud; nothing here is a real machine"})


class App:
    """The WSGI application: picks the part by its prefix, and holds the world meanwhile."""

    def __init__(self, live: LiveWorld, parts: Iterable[Part]) -> None:
        self._live = live
        self._parts = sorted((Front(), *parts), key=lambda part: -len(part.prefix))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer one request, or break its connection."""
        part = next(part for part in self._parts if environ["PATH_INFO"].startswith(part.prefix))
        try:
            response = self._answer(part, environ)
        except NoAnswer as lost:
            # What cheroot takes for a client that went away: it closes the connection without a word.
            raise BrokenPipeError(errno.EPIPE, str(lost)) from lost
        self._live.pass_seconds(response.delay_seconds)
        content = b"" if response.body is None else json.dumps(response.body).encode()
        headers = [*response.headers.items(), ("Content-Length", str(len(content))), ("X-Simulated", "true")]
        if content:
            headers.append(("Content-Type", "application/json"))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        return [content]

    def _answer(self, part: Part, environ: WSGIEnvironment) -> Response:
        try:
            request = read_request(environ)
        except Refused as refused:
            return Response(refused.status, part.explain(refused.status, refused.message))
        with self._live.caught_up():
            return part.answer(request)


def read_request(environ: WSGIEnvironment) -> Request:
    """Read a request whole. Raises `Refused`."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > BODY_BYTES:
        raise Refused(413, "the body is too large")
    try:
        body = json.loads(environ["wsgi.input"].read(length)) if length else {}
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "the body is no JSON object")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        headers={key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")},
        body=body,
        url=f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', environ['SERVER_NAME'])}",
    )


class HttpServer:
    """A server on a port of 127.0.0.1 (0: any free one), with its own threads."""

    def __init__(self, app: App, port: int = 0) -> None:
        self._server = Server(("127.0.0.1", port), app, numthreads=SERVER_THREADS, server_name="simulated-cloud")
        self._server.error_log = _log_nothing  # type: ignore[method-assign]
        # cheroot looks for idle connections, and for the end, this often; its half a second is long for a test.
        self._server.expiration_interval = TICK_SECONDS
        self._thread = threading.Thread(target=self._server.serve, name="sim-http", daemon=True)

    def start(self) -> str:
        """Listen; return the URL."""
        self._server.prepare()
        self._thread.start()
        host, port = self._server.bind_addr[:2]
        return f"http://{host}:{port}"

    def stop(self) -> None:
        """Close all connections and the port."""
        self._server.stop()
        self._thread.join()


def _log_nothing(*_arguments: object, **_options: object) -> None:
    """Be quiet about connections that break: breaking them is what a simulated fault does."""
