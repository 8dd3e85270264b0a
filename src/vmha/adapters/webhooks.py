"""Posts alerts over HTTP: signed, once, and over at a deadline.

Rules:
1. A request leaves before its deadline or not at all, and at the deadline its connection is cut, whatever the receiver does: one that
   sends its answer byte by byte would hold a library that bounds each reading for hours. That is why this is the standard library's
   connection and not requests.
2. No redirect is followed: the signature is for the address that the operator wrote.
3. No proxy and no .netrc of the environment is used; of CA files there only what OpenSSL itself looks for.
4. A URL may hold a secret. It stands in no message and no repr; `name` has its scheme, host and port. Receivers repeat it, as in
   "Cannot POST /services/T0KEN": what they say is shown without it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import http.client
import re
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from vmha import __version__
from vmha.ports import WebhookFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vmha.ports import Clock, Deadline

CONNECT_SECONDS = 5.0
"""Longest wait for a TCP connection to one address: three lost SYNs (1 + 2 + 4 s) are a dead address."""

TO_PROXY = "Proxy-Authorization"
SHOWN = 200
"""Characters of a refusal that are shown."""

LOOKED_AT = 4096
"""Bytes of it that are read: a secret that begins within what is shown must be known to its end."""

LEAST_HIDDEN = 5
"""Characters of a part of a path or query that may be a secret; a shorter one is a word like `v2` or `in`."""

HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A URL in parts; `target` is its path with the query, `user` what stands before the @, decoded."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    user: str | None = field(repr=False)

    @property
    def origin(self) -> str:
        """Say where it is, without what may be secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == _PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if is_usual else f":{self.port}")

    def show_user(self, header: str) -> dict[str, str]:
        """Return the header with user and password, or none."""
        return {} if self.user is None else {header: f"Basic {self._credentials(self.user)}"}

    def _credentials(self, user: str) -> str:
        return base64.b64encode(user.encode()).decode()

    def hide(self, text: str) -> str:
        """Take out of a receiver's words what may be secret, however it wrote that, and what no terminal should get."""
        parts = {part for part in re.split(r"[^A-Za-z0-9_.~%-]", self.target) if len(part) >= LEAST_HIDDEN}
        if self.user is not None:
            parts |= {self._credentials(self.user), *filter(None, self.user.split(":", 1))}
        forms = parts | {unquote(part) for part in parts}
        found = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        words = " ".join(html.unescape(text).split())
        words = re.sub(found, HIDDEN, words, flags=re.IGNORECASE) if found else words
        return "".join(sign if sign.isprintable() else "?" for sign in words)


_PORTS = {"http": 80, "https": 443}


def parse_url(url: str) -> Address:
    """Take a URL apart. Raises `ValueError`, which says what is wrong with it and not what it is."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(
            "it has a space, or a character that no URL may have; write that as %20, or as %.. of its bytes"
        )
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("it does not begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.fragment:
        raise ValueError("it has a part behind a #, which is never sent; leave that out")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise ValueError("its port is no number from 1 to 65535") from None
    user = None if parts.username is None else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(scheme=parts.scheme, host=parts.hostname, port=port, target=target, user=user)


def sign(document: bytes, secrets: tuple[bytes, ...], *, at: int) -> str:
    """Return the value of the signature's header: the time, and for each secret an HMAC-SHA256 over time, a dot and the document."""
    signed = b"%d." % at + document
    return ",".join([f"t={at}", *(f"v1={hmac.new(secret, signed, hashlib.sha256).hexdigest()}" for secret in secrets)])


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpWebhook:
    """The `Webhook` port over HTTP. `url` is only looked at through `address`, and for the key."""

    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)
    tls: ssl.SSLContext
    clock: Clock
    proxy: Address | None = None

    @property
    def address(self) -> Address:
        """Return where it is."""
        return parse_url(self.url)

    @property
    def key(self) -> str:
        """Return a digest of the URL."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """Name it for humans: several on one host differ by the beginning of their keys."""
        return f"{self.address.origin} ({self.key[:6]})"

    def post(self, document: str, *, alert: str, attempt: int, deadline: Deadline) -> str:
        """Send a document once, and return status and reason of the answer."""
        body = document.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"vmha/{__version__}",
            "X-Vmha-Alert": alert,
            "X-Vmha-Attempt": str(attempt),
            **({"X-Vmha-Signature": sign(body, self.secrets, at=int(time.time()))} if self.secrets else {}),
            **self.address.show_user("Authorization"),
        }
        seconds = deadline.at - self.clock.monotonic()
        try:
            return self._exchange(body, headers, deadline)
        except WebhookFailed:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self.clock.monotonic() >= deadline.at or isinstance(error, TimeoutError):
                why = f"{self.name} did not answer within {max(seconds, 0):.0f} s; look whether it hangs"
            else:
                why = f"{self.name} {_why(error)}"
            raise WebhookFailed(why) from error

    def _exchange(self, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> str:
        """Connect, send, and read the beginning of the answer."""
        address = self.address
        connection = _Connection(address, self.tls, self.proxy, seconds=self._left(deadline))
        plainly_by_proxy = self.proxy is not None and address.scheme == "http"
        target = f"{address.origin}{address.target}" if plainly_by_proxy else address.target
        with _cut_at_the_end(connection, self._left(deadline)):
            connection.connect()
            connection.sock.settimeout(self._left(deadline))  # a receiver that is connected may take all of the time
            more = self.proxy.show_user(TO_PROXY) if self.proxy is not None and plainly_by_proxy else {}
            connection.request("POST", target, body, {**headers, **more})
            response = connection.getresponse()
            self._left(deadline)  # headers that were cut off in the middle look like headers that were all
            if 200 <= response.status < 300:
                return f"{response.status} {self._hide(response.reason)}"
            raise WebhookFailed(f"{self.name} {_refusal(response, self._hide)}")

    def _hide(self, text: str) -> str:
        """Take out of what the receiver, or the proxy, says whatever it repeats of their URLs."""
        return self.address.hide(text if self.proxy is None else self.proxy.hide(text))

    def _left(self, deadline: Deadline) -> float:
        left = deadline.at - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Connection(http.client.HTTPConnection):
    """A connection to the receiver, through the proxy where there is one, and under TLS where the URL says so."""

    def __init__(self, address: Address, tls: ssl.SSLContext, proxy: Address | None, *, seconds: float) -> None:
        first = proxy or address
        super().__init__(first.host, first.port, timeout=min(seconds, CONNECT_SECONDS))
        self._tls = tls if address.scheme == "https" else None
        self._server = address.host
        self.wire: socket.socket | None = None
        if proxy is not None and self._tls is not None:
            self.set_tunnel(address.host, address.port, headers=proxy.show_user(TO_PROXY))

    def connect(self) -> None:
        """Connect, and keep in `wire` what can be cut: in the handshake, and when the answer has taken `sock` away."""
        super().connect()
        self.wire = self.sock
        if self._tls is not None:
            self.wire = self.sock = self._tls.wrap_socket(
                self.sock, server_hostname=self._server, do_handshake_on_connect=False
            )
            self.sock.do_handshake()


@contextmanager
def _cut_at_the_end(connection: _Connection, seconds: float) -> Iterator[None]:
    """Cut the connection after so many seconds, and close it in any case."""

    def cut() -> None:
        wire = connection.wire or connection.sock  # the second while a proxy is asked
        if wire is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which would first forget its session under the feet of the thread that reads.
                socket.socket.shutdown(wire, socket.SHUT_RDWR)

    watch = threading.Timer(seconds, cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        connection.close()


def _refusal(response: http.client.HTTPResponse, hide: Callable[[str], str]) -> str:
    """Say what the receiver answered instead of taking the alert."""
    status = f"answered {response.status} {hide(response.reason)}"
    if 300 <= response.status < 400:
        return f"{status}, which is not followed: correct the URL in [alerts] webhooks"
    body = b""
    with suppress(OSError, http.client.HTTPException):
        body = response.read(LOOKED_AT)
    words = hide(body.decode(errors="replace"))[:SHOWN]
    return f"{status}: {words}" if words else status


def _why(error: Exception) -> str:
    """Say what went wrong, and what to try."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"has a certificate that is not trusted ({error.verify_message}); set [alerts] ca_file to the CA that signed it, "
                "or correct the certificate"
            )
        case ssl.SSLError():
            return f"does not speak TLS with us ({error.reason or error}); correct the receiver, or http for https in its URL"
        case socket.gaierror():
            return "has a name that cannot be resolved; correct the URL in [alerts] webhooks, or the name service"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "closed the connection without an answer; look into its log"
        case OSError():
            return f"cannot be reached ({error.strerror or error}); look whether it runs, and at the network to it"
        case _:
            return f"gave no answer that is HTTP ({type(error).__name__}); correct the URL in [alerts] webhooks"
