"""Serves metrics over HTTP: as a WSGI application, and on a port of its own with few threads and short waits."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from cheroot.wsgi import Server
from prometheus_client import make_wsgi_app

from vmha.logs import log

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)

PATH = "/metrics"
THREADS = 2
"""One Prometheus scrapes, another one may stand beside it."""

CLIENT_SECONDS = 5
"""How long a client may be silent; there is nothing to think about between two lines of a request."""


def metrics_application(registry: CollectorRegistry) -> WSGIApplication:
    """Answer GET of /metrics and nothing else."""
    shown: WSGIApplication = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == PATH:
            return shown(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=UTF-8"), ("Content-Length", "0")])
        return [b""]

    return application


class MetricsServer:
    """A port of an engine. Recovery goes on without it: an address that cannot be had is one line of the log."""

    def __init__(self, registry: CollectorRegistry, *, address: str, port: int) -> None:
        self._registry = registry
        self._where = (address, port)
        self._server: Server | None = None

    @property
    def port(self) -> int | None:
        """The port, None while nothing is served."""
        return None if self._server is None else int(self._server.bind_addr[1])

    def start(self) -> None:
        """Serve, in threads that end with the process."""
        address, port = self._where
        server = Server(
            self._where,
            metrics_application(self._registry),
            numthreads=THREADS,
            timeout=CLIENT_SECONDS,
            shutdown_timeout=1,
        )
        try:
            server.prepare()
        except OSError as error:
            why = f"{error.strerror or error}; correct [metrics] engine_port or engine_listen; the engine works all the same"
            log(logger, "metrics-not-served", level=logging.ERROR, address=address, port=port, says=why)
            return
        self._server = server
        threading.Thread(target=server.serve, name="metrics", daemon=True).start()
        log(logger, "metrics-served", address=address, port=self.port)

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.stop()
            self._server = None
