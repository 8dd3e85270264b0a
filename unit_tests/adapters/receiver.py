"""A receiver of alerts on loopback, over HTTP or TLS, that takes them, or misbehaves in the ways that receivers do.

It speaks over plain sockets: a web server would not do what is asked of it here.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[["Receiver", socket.socket], None]
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A request as it arrived; names of headers in small letters."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def alert(self) -> dict[str, Any]:
        """Return the document."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(slots=True)
class Receiver:
    """Answers of the test, in order; the last one stays."""

    url: str
    posted: list[Posted] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _answers: deque[Answer] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, *answers: Answer) -> None:
        """Set what comes next."""
        self._answers = deque(answers)

    def release(self) -> None:
        """Let go of everything that hangs."""
        self.released.set()

    def wait_for(self, count: int) -> list[Posted]:
        """Wait until so many requests have arrived, and return them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.posted) >= count, PATIENCE_SECONDS), self.posted
            return list(self.posted)

    def serve(self, connection: socket.socket) -> None:
        """Read one request and answer it."""
        request = _read(connection)
        if request is None:
            return
        with self._changed:
            self.posted.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
            self._changed.notify_all()
        try:
            answer(self, connection)
        finally:
            with self._changed:
                self.at_once -= 1


def status(code: int, text: str = "", **headers: str) -> Answer:
    """Answer with a status."""

    def act(_receiver: Receiver, connection: socket.socket) -> None:
        lines = [f"HTTP/1.1 {code} Said So", f"Content-Length: {len(text)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall(("\r\n".join([*lines, "", text])).encode())

    return act


takes = status(204)


def hangs(receiver: Receiver, _connection: socket.socket) -> None:
    """Never answer."""
    receiver.released.wait(PATIENCE_SECONDS)


def closes(_receiver: Receiver, _connection: socket.socket) -> None:
    """Close without an answer."""


def said(text: bytes) -> Answer:
    """Say something that need not be HTTP, and close."""

    def act(_receiver: Receiver, connection: socket.socket) -> None:
        connection.sendall(text)

    return act


def drips(text: bytes, *, first: int = 0) -> Answer:
    """Send a text byte by byte, after its beginning, again and again, and never come to an end."""

    def act(receiver: Receiver, connection: socket.socket) -> None:
        connection.sendall(text[:first])
        while not receiver.released.wait(0.2):
            connection.sendall(text[-1:])

    return act


def slow(seconds: float) -> Answer:
    """Take the alert after a while."""

    def act(receiver: Receiver, connection: socket.socket) -> None:
        receiver.released.wait(seconds)
        takes(receiver, connection)

    return act


def _read(connection: socket.socket) -> Posted | None:
    """Read a request; None where the client went away before its end."""
    file = connection.makefile("rb")
    line = file.readline().decode().strip()
    headers: dict[str, str] = {}
    while text := file.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", 0)))
    return Posted(line=line, headers=headers, body=body) if line else None


@contextmanager
def receiving(*answers: Answer, tls: ssl.SSLContext | None = None, path: str = "/hook") -> Iterator[Receiver]:
    """Listen on a free port of loopback until the end of the block."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    scheme = "http" if tls is None else "https"
    receiver = Receiver(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}{path}")
    receiver.answer(*(answers or (takes,)))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        # Whoever tests the other end breaks connections on purpose.
        with suppress(OSError, ValueError), connection:
            connection.settimeout(PATIENCE_SECONDS)
            receiver.serve(connection if tls is None else tls.wrap_socket(connection, server_side=True))

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield receiver
    finally:
        receiver.release()
        # A thread in accept() keeps the socket open; this wakes it.
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in (accepting, *threads):
            thread.join(PATIENCE_SECONDS)


@cache
def certificate(*names: str, end_days: int = 30) -> tuple[str, str]:
    """Return a self-signed certificate for these names or addresses, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a receiver of alerts")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=end_days))
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), key.private_bytes(*form).decode()


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_context(folder: Path, *names: str, end_days: int = 30) -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server with a certificate for these names, and the file to trust it by."""
    made, key = certificate(*names, end_days=end_days)
    trusted, secret = folder / "receiver.pem", folder / "receiver.key"
    trusted.write_text(made)
    secret.write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted


def patiently(is_so: Callable[[], object], what: str) -> None:
    """Wait until it is so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.01)
