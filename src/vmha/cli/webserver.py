"""The web server that masakari-api starts by itself: cheroot, over TLS where use_ssl says so.

Rules:
1. A TLS handshake is a thread's business, never that of the one that accepts connections: who connects and says nothing holds up nobody.
2. A stop closes the listening socket, lets requests under way end for `graceful_shutdown_timeout`, and cuts what is left.
3. Each process listens on a socket of its own for the same address; the kernel deals connections out among them.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import HTTPConnection
from cheroot.ssl import Adapter
from cheroot.wsgi import Server

from vmha.errors import ConfigurationError, VmhaError
from vmha.logs import log

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from vmha.settings import ServerSettings, Settings

logger = logging.getLogger(__name__)
BACKLOG = 128
"""Connections that wait to be accepted; more than a balancer opens at once."""
HEADERS = 4
"""How many of the longest headers a request may have: a token may be one of them, and upstream's server counts lines of that length."""


class AddressTaken(VmhaError):
    """The API cannot listen where it was told to."""


def serve(application: WSGIApplication, settings: Settings, stop: threading.Event, *, listening: socket.socket) -> None:
    """Serve the API on a listening socket until `stop`, then let what is under way end. Raises `ConfigurationError`."""
    server = _OurServer(application, settings, listening)
    server.prepare()
    threading.Thread(target=server.serve, name="api", daemon=True).start()
    address, port = listening.getsockname()[:2]
    log(logger, "api-started", address=address, port=port, tls=settings.server.use_ssl)
    stop.wait()
    server.stop()
    log(logger, "api-stopped")


def listen(settings: Settings, *, processes: int) -> list[socket.socket]:
    """Listen, with a socket for each process. Raises `AddressTaken`."""
    address, port = settings.api.masakari_api_listen, settings.api.masakari_api_listen_port
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Alone first: with SO_REUSEPORT a second service would get the address as well, and half of the requests.
        with socket.socket(family, kind, protocol) as probe:
            _bind(probe, where)
            where = probe.getsockname()
        return [_listening(family, where, settings.server, shares=processes > 1) for _ in range(processes)]
    except OSError as error:
        raise AddressTaken(f"cannot listen on {address}:{port}: {error}; set masakari_api_listen_port") from error


def tls_context(server: ServerSettings) -> ssl.SSLContext | None:
    """Read certificate, key and CA, None without use_ssl. Raises `ConfigurationError`."""
    if not server.use_ssl:
        return None
    if server.ssl_cert_file is None or server.ssl_key_file is None:
        raise ConfigurationError(
            "[DEFAULT] use_ssl needs a certificate and its key; set [wsgi] ssl_cert_file and ssl_key_file"
        )
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.ssl_ca_file)
        if server.ssl_ca_file is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        # The password is none: otherwise OpenSSL asks for it on the terminal, and waits.
        context.load_cert_chain(server.ssl_cert_file, server.ssl_key_file, password="")
    except OSError as error:
        files = ", ".join(
            filter(None, (server.ssl_cert_file, server.ssl_key_file, server.ssl_ca_file)),
        )
        raise ConfigurationError(
            f"cannot serve TLS with {files}: {error}; correct [wsgi] ssl_cert_file, ssl_key_file or ssl_ca_file, and let this "
            "user read them"
        ) from error
    return context


def _listening(family: int, where: Any, server: ServerSettings, *, shares: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    if shares:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Connections that are accepted inherit these.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(server.tcp_keepidle))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _bind(listening, where)
    listening.listen(BACKLOG)
    return listening


def _bind(one: socket.socket, where: Any) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if one.family == socket.AF_INET6 and where[0] == "::":
        # Everywhere means over IPv4 too.
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.bind(where)


class _OurServer(Server):
    """Cheroot on a socket that is there already, with our log."""

    def __init__(self, application: WSGIApplication, settings: Settings, listening: socket.socket) -> None:
        own = settings.server
        super().__init__(
            listening.getsockname()[:2],
            application,
            numthreads=settings.api.masakari_api_threads,
            server_name="vmha",
            request_queue_size=BACKLOG,
        )
        # Cheroot counts in floats, whatever its types say, and takes None for no end.
        self.shutdown_timeout: float | None = own.graceful_shutdown_timeout or None
        self.max_request_header_size = HEADERS * own.max_header_line
        if not own.keep_alive:
            self.keep_alive_conn_limit = 0
        context = tls_context(own)
        if context is not None:
            self.ssl_adapter = _Tls(context)
            self.ConnectionClass = _TlsConnection
        self._listening = listening

    def bind(self, *_: Any) -> socket.socket:
        """Take the socket that listens already."""
        self.socket = self._listening
        return self._listening

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Write to our log what cheroot would print."""
        error = sys.exc_info()[1] if traceback else None
        log(logger, "web-server", level=level, detail=msg, error=None if error is None else repr(error))


class _Tls(Adapter):
    """Wraps connections, and leaves the handshake to `_TlsConnection`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def bind(self, sock: socket.socket) -> socket.socket:
        """Leave the listening socket as it is."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, Any]]:
        """Wrap without a word to the client."""
        return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), self.get_environ()

    def get_environ(self) -> dict[str, Any]:
        """Say in each request that it came over TLS."""
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: socket.socket, mode: str = "r", bufsize: int = -1) -> Any:
        """Read and write as without TLS."""
        return (StreamReader if "r" in mode else StreamWriter)(sock, mode, bufsize)


class _TlsConnection(HTTPConnection):
    """A connection whose first step is the handshake, in the thread that serves it and within its timeout."""

    _is_shaken = False

    def communicate(self) -> bool:
        """Shake hands first; who cannot is let go without a word, as it would not understand one."""
        if not self._is_shaken:
            try:
                self.socket.do_handshake()
            except OSError as error:
                log(logger, "no-tls", level=logging.DEBUG, client=self.remote_addr, error=str(error))
                return False
            self._is_shaken = True
        return bool(super().communicate())  # type: ignore[no-untyped-call]
