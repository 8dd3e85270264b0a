"""A real receiver over HTTP and TLS: what it gets, and what every way of misbehaving comes to, in words and in time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unit_tests.adapters.receiver import (
    Answer,
    Receiver,
    closes,
    drips,
    hangs,
    receiving,
    said,
    server_context,
    status,
    takes,
)
from unit_tests.ports.webhook_contract import WebhookContract
from vmha.adapters.clock import SystemClock
from vmha.adapters.webhook_settings import load_webhooks
from vmha.adapters.webhooks import HttpWebhook, parse_url, sign
from vmha.alert_settings import AlertSettings
from vmha.errors import ConfigurationError
from vmha.ports import Deadline, WebhookFailed

CLOCK = SystemClock()
DOCUMENT = json.dumps({"summary": "c1 waits", "host": "ćma"})
SECRET = "0123456789abcdef0123456789abcdef"
PATIENT = 20.0
"""Seconds that no call of these tests needs, on however busy a machine."""
SHORT = 0.5


def settings(*urls: str, **more: object) -> AlertSettings:
    """Build [alerts] with these URLs."""
    plain: dict[str, object] = {"secret_file": None, "ca_file": None, "proxy": None}
    times = {"post_seconds": 10.0, "retry_seconds": 5.0, "longest_retry_seconds": 300.0, "give_up_seconds": 3600.0}
    return AlertSettings(webhooks=urls, **{**plain, **times, **more})  # type: ignore[arg-type]


def webhook(url: str, **more: object) -> HttpWebhook:
    """Build one webhook."""
    (made,) = load_webhooks(settings(url, **more), clock=CLOCK)
    return made


def post(hook: HttpWebhook, *, seconds: float = PATIENT, document: str = DOCUMENT) -> str:
    """Send the document."""
    return hook.post(document, alert="a1", attempt=3, deadline=Deadline(at=CLOCK.monotonic() + seconds))


def failure(hook: HttpWebhook, *, seconds: float = PATIENT) -> str:
    """Send the document to somebody who does not take it; return the words."""
    with pytest.raises(WebhookFailed) as caught:
        post(hook, seconds=seconds)
    return str(caught.value)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with a secret."""
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiving() as one:
        yield one


class HttpHarness:
    """A receiver on loopback."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.webhook = webhook(receiver.url)
        self.clock = CLOCK
        self._takes = True

    def take(self) -> None:
        """Answer 204."""
        self._receiver.answer(takes)

    def refuse(self) -> None:
        """Answer 500."""
        self._takes = False
        self._receiver.answer(status(500))

    def hang(self) -> None:
        """Answer nothing."""
        self._takes = False
        self._receiver.answer(hangs)

    def taken(self) -> list[str]:
        """Return what arrived and was taken."""
        return [posted.body.decode() for posted in self._receiver.posted if self._takes]


class TestHttpWebhook(WebhookContract):
    """The webhook over HTTP."""

    @pytest.fixture
    def harness(self, receiver: Receiver) -> HttpHarness:
        """Give a receiver."""
        return HttpHarness(receiver)


def test_a_receiver_gets_the_document(receiver: Receiver) -> None:
    """It is a POST to the path and query of the URL, to the byte what was stored, with the alert's id and the number of the attempt."""
    hook = webhook(f"{receiver.url}/deep%2Cer?team=ops&to=a%20b")
    assert post(hook) == "204 Said So"
    (got,) = receiver.posted
    assert got.line == "POST /hook/deep%2Cer?team=ops&to=a%20b HTTP/1.1"
    assert got.body == DOCUMENT.encode()
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == receiver.url.removeprefix("http://").partition("/")[0]
    assert (got.headers["x-vmha-alert"], got.headers["x-vmha-attempt"]) == ("a1", "3")
    assert got.headers["user-agent"].startswith("vmha/")
    assert "x-vmha-signature" not in got.headers
    assert "authorization" not in got.headers


def test_it_is_signed(receiver: Receiver, secret_file: Path) -> None:
    """The header has the time and an HMAC over time and body, which whoever knows the secret can make anew."""
    before = int(time.time())
    post(webhook(receiver.url, secret_file=str(secret_file)))
    (got,) = receiver.posted
    at, signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", got.headers["x-vmha-signature"]).groups()  # type: ignore[union-attr]
    assert before <= int(at) <= time.time()
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + got.body, hashlib.sha256).hexdigest()
    assert signature == expected


def test_a_secret_can_be_changed(receiver: Receiver, secret_file: Path) -> None:
    """With two secrets both sign, so that receivers may go over one after the other."""
    other = "f" * 20
    secret_file.write_text(f"{SECRET}\n\n{other}\n")
    post(webhook(receiver.url, secret_file=str(secret_file)))
    at, *signatures = receiver.posted[0].headers["x-vmha-signature"].split(",")
    signed = f"{at.removeprefix('t=')}.".encode() + receiver.posted[0].body
    made = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in (SECRET, other)]
    assert signatures == [f"v1={each}" for each in made]


def test_a_signature_is_for_its_time() -> None:
    """The same document at another time is signed otherwise: an old request cannot be sent once more as a new one."""
    first, second = (sign(b"{}", (b"secret",), at=at).partition("v1=")[2] for at in (1, 2))
    assert first != second


def test_a_user_in_the_url_logs_in(receiver: Receiver) -> None:
    """User and password of the URL go as basic authentication, decoded, and not in the request's path."""
    post(webhook(receiver.url.replace("http://", "http://ops:p%40ss@")))
    (got,) = receiver.posted
    assert got.headers["authorization"] == "Basic " + base64.b64encode(b"ops:p@ss").decode()
    assert "ops" not in got.line + got.headers["host"]


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_success_is_one(code: int, receiver: Receiver) -> None:
    """Every status from 200 to 299 takes the alert."""
    receiver.answer(status(code, "ok"))
    assert post(webhook(receiver.url)).startswith(str(code))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(500, "no  room\n in the\tqueue"), "answered 500 Said So: no room in the queue"),
        (status(404), "answered 404 Said So"),
        (status(401, "x" * 5000), f"answered 401 Said So: {'x' * 200}"),
        (closes, "closed the connection without an answer; look into its log"),
        (said(b"HTTP/1.1 2"), "gave no answer that is HTTP (BadStatusLine); correct the URL in [alerts] webhooks"),
        (said(b"SSH-2.0-OpenSSH_9\r\n"), "gave no answer that is HTTP (BadStatusLine)"),
        (said(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhal"), "answered 500 Oops"),
        (said(b"\xff\xfe\x00"), "gave no answer that is HTTP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_does_not_take_it_is_told_why(answer: Answer, words: str, receiver: Receiver) -> None:
    """The failure names the receiver and what it did, and is no other exception, whatever that was."""
    receiver.answer(answer)
    hook = webhook(receiver.url)
    said_so = failure(hook)
    assert said_so.startswith(f"{hook.name} {words}")
    assert len(receiver.posted) == 1


@pytest.mark.parametrize(
    "echo",
    [
        "<pre>Cannot POST /in/T0KEN/pa%2C55?key=s3cret&amp;of=ops</pre>",
        "no such key: S3CRET",
        "pa,55 is not known",
        "Authorization: Basic dTpodW50ZXIy",
        "hunter2 is no password",
        f"{'x' * 197}T0KENS3CRET",
    ],
)
def test_what_is_secret_is_not_shown_where_a_receiver_repeats_it(echo: str, receiver: Receiver) -> None:
    """Path, query, user and password are taken out of what it says, encoded or not, and also where the end of that is cut off."""
    url = receiver.url.replace("http://", "http://u:hunter2@").rstrip("/") + "/in/T0KEN/pa%2C55?key=s3cret&of=ops"
    receiver.answer(said(f"HTTP/1.1 404 No {echo}\r\n\r\n{echo}".encode()))
    words = failure(webhook(url))
    assert words.count("***") >= 2 - echo.startswith("x")
    for secret in ("T0K", "pa,55", "pa%2C55", "s3cret", "hunter2", "dTpodW50ZXIy"):
        assert secret.lower() not in words.lower()


def test_what_a_receiver_says_does_nothing_to_a_terminal(receiver: Receiver) -> None:
    """Signs that steer a terminal are shown as question marks."""
    receiver.answer(status(500, "\x1b[2Jgone\x07"))
    assert failure(webhook(receiver.url)).endswith("answered 500 Said So: ?[2Jgone?")


def test_a_success_needs_no_body(receiver: Receiver) -> None:
    """Who says 200 and then breaks off has taken it: sending it again would be sending it twice."""
    receiver.answer(said(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal"))
    assert post(webhook(receiver.url)) == "200 OK"


def test_a_redirect_is_not_followed(receiver: Receiver, secret_file: Path) -> None:
    """The signed document goes nowhere but where the operator said; the words say to correct the URL."""
    with receiving() as elsewhere:
        receiver.answer(status(307, Location=elsewhere.url))
        words = failure(webhook(receiver.url, secret_file=str(secret_file)))
        assert "answered 307 Said So, which is not followed: correct the URL in [alerts] webhooks" in words
        assert elsewhere.posted == []


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        drips(b"H"),
        drips(b"HTTP/1.1 200 OK\r\nX-Slow: a", first=16),
        drips(b"HTTP/1.1 500 Oops\r\n\r\nx", first=21),
    ],
    ids=["silent", "status byte by byte", "headers byte by byte", "body byte by byte"],
)
def test_nobody_holds_it_longer_than_its_time(answer: Answer, receiver: Receiver) -> None:
    """A receiver that says nothing, or says it byte by byte for ever, is cut off when the time is over."""
    receiver.answer(answer)
    hook = webhook(receiver.url)
    began = time.monotonic()
    words = failure(hook, seconds=SHORT)
    assert SHORT * 0.9 < time.monotonic() - began < PATIENT
    is_refusal = "answered 500 Oops" in words
    assert is_refusal or f"{hook.name} did not answer within" in words


def test_a_tls_handshake_is_bounded_too(tmp_path: Path) -> None:
    """Who takes the connection and never begins with TLS is cut off like any other."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        hook = webhook(f"https://127.0.0.1:{mute.getsockname()[1]}/")
        began = time.monotonic()
        assert "did not answer within" in failure(hook, seconds=SHORT)
        assert time.monotonic() - began < PATIENT


def test_nothing_leaves_after_its_deadline(receiver: Receiver) -> None:
    """Who was stopped for so long that the time is over sends nothing, and connects to nobody."""
    assert "did not answer within 0 s" in failure(webhook(receiver.url), seconds=-1.0)
    assert receiver.posted == []


def test_nobody_there_is_said() -> None:
    """A port on which nobody listens, and a name that nobody has, are told apart and named."""
    with socket.create_server(("127.0.0.1", 0)) as was:
        port = was.getsockname()[1]
    hook = webhook(f"http://127.0.0.1:{port}/hook")
    assert f"{hook.name} cannot be reached (Connection refused)" in failure(hook)
    unknown = webhook("https://receiver.invalid/hook")
    assert "https://receiver.invalid" in failure(unknown)
    assert "has a name that cannot be resolved" in failure(unknown)


class TestTls:
    """Certificates are checked against the CA that is named, or the system's."""

    @contextmanager
    def served(self, folder: Path, *names: str, end_days: int = 30) -> Iterator[tuple[Receiver, Path]]:
        """Serve with a certificate for these names."""
        context, trusted = server_context(folder, *names, end_days=end_days)
        with receiving(tls=context) as receiver:
            yield receiver, trusted

    def test_a_trusted_certificate_is_taken(self, tmp_path: Path) -> None:
        """With its CA in ca_file the receiver gets the document."""
        with self.served(tmp_path, "127.0.0.1") as (receiver, trusted):
            assert post(webhook(receiver.url, ca_file=str(trusted))) == "204 Said So"
            assert receiver.posted[0].body == DOCUMENT.encode()

    def test_an_unknown_ca_is_refused(self, tmp_path: Path) -> None:
        """Without it nothing is sent, and the words say which option to set."""
        with self.served(tmp_path, "127.0.0.1") as (receiver, _):
            words = failure(webhook(receiver.url))
            assert "has a certificate that is not trusted (self-signed certificate)" in words
            assert "set [alerts] ca_file" in words
            assert receiver.posted == []

    def test_a_certificate_of_another_name_is_refused(self, tmp_path: Path) -> None:
        """A trusted certificate for somebody else is none."""
        with self.served(tmp_path, "elsewhere.example.org") as (receiver, trusted):
            words = failure(webhook(receiver.url, ca_file=str(trusted)))
            assert "not trusted (IP address mismatch" in words
            assert receiver.posted == []

    def test_a_certificate_that_is_over_is_refused(self, tmp_path: Path) -> None:
        """So is one of yesterday."""
        with self.served(tmp_path, "127.0.0.1", end_days=-1) as (receiver, trusted):
            assert "not trusted (certificate has expired)" in failure(webhook(receiver.url, ca_file=str(trusted)))

    def test_http_on_a_tls_url_is_said(self, receiver: Receiver) -> None:
        """A receiver without TLS behind https:// is no certificate that fails."""
        words = failure(webhook(receiver.url.replace("http://", "https://")))
        assert "does not speak TLS with us" in words

    def test_the_environment_trusts_nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """REQUESTS_CA_BUNDLE, which other libraries read, makes nobody trusted."""
        with self.served(tmp_path, "127.0.0.1") as (receiver, trusted):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
            assert "not trusted" in failure(webhook(receiver.url))


class TestProxy:
    """Through a proxy where one is named; the environment's is left alone."""

    def test_the_environments_proxy_is_not_used(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """http_proxy is for others: the request goes straight to the receiver."""
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        assert post(webhook(receiver.url)) == "204 Said So"

    def test_plain_http_asks_the_proxy(self) -> None:
        """The proxy gets the whole URL and its own password; the receiver is meant by the header Host."""
        with receiving() as proxy:
            place = proxy.url.removesuffix("/hook").replace("http://", "http://me:pw@")
            post(webhook("http://receiver.example.org:8080/hook?a=1", proxy=place))
            (got,) = proxy.posted
            assert got.line == "POST http://receiver.example.org:8080/hook?a=1 HTTP/1.1"
            assert got.headers["host"] == "receiver.example.org:8080"
            assert got.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()

    def test_tls_goes_through_a_tunnel(self, tmp_path: Path) -> None:
        """The proxy learns the host, and the receiver's own certificate is checked behind it."""
        context, trusted = server_context(tmp_path, "127.0.0.1")
        with receiving(tls=context) as receiver, receiving(tunnel_to(receiver_port(receiver))) as proxy:
            place = proxy.url.removesuffix("/hook")
            hook = webhook(receiver.url, proxy=place, ca_file=str(trusted))
            assert post(hook) == "204 Said So"
            assert proxy.posted[0].line.startswith(f"CONNECT 127.0.0.1:{receiver_port(receiver)} HTTP/1.")
            assert "x-vmha-alert" not in proxy.posted[0].headers
            assert receiver.posted[0].body == DOCUMENT.encode()
            assert "not trusted" in failure(webhook(receiver.url, proxy=place))

    def test_a_proxy_is_bounded_too(self) -> None:
        """One that answers byte by byte while it is asked for a tunnel is cut off when the time is over."""
        with receiving(drips(b"H")) as proxy:
            hook = webhook("https://receiver.example.org/", proxy=proxy.url.removesuffix("/hook"))
            began = time.monotonic()
            assert "did not answer within" in failure(hook, seconds=SHORT)
            assert time.monotonic() - began < PATIENT

    def test_a_proxy_that_refuses_is_said(self, tmp_path: Path) -> None:
        """A tunnel that is refused is a failure with the proxy's words."""
        with receiving(status(403)) as proxy:
            words = failure(webhook("https://receiver.example.org/", proxy=proxy.url.removesuffix("/hook")))
            assert "Tunnel connection failed: 403" in words


def receiver_port(receiver: Receiver) -> int:
    """Return the port that it listens on."""
    return parse_url(receiver.url).port


def tunnel_to(port: int) -> Answer:
    """Answer CONNECT, and carry bytes both ways until one side has no more."""

    def act(_receiver: Receiver, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            there = threading.Thread(target=carry, args=(client, server), daemon=True)
            there.start()
            carry(server, client)
            there.join()

    return act


def carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes until there are no more."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class TestSettings:
    """What [alerts] may say; a URL may hold a secret and is called by its number."""

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("receiver.example.org/s3cret", "it does not begin with http:// or https://"),
            ("ftp://receiver.example.org/s3cret", "it does not begin with http:// or https://"),
            ("https:///s3cret", "it names no host"),
            ("https://receiver:99999/s3cret", "its port is no number from 1 to 65535"),
            ("https://receiver:port/s3cret", "its port is no number from 1 to 65535"),
            ("https://receiver/s3cret#there", "it has a part behind a #"),
            ("https://receiver/s3cret two", "it has a space"),
            ("https://receiver/s3cret\u0107", "a character that no URL may have"),
            ("https://receiver/s3cret\r\nX-Evil: 1", "a character that no URL may have"),
            ("http://[::1/s3cret", "Invalid IPv6 URL"),
        ],
    )
    def test_a_url_that_cannot_be_used_is_named_by_its_number(self, url: str, why: str) -> None:
        """The message says which one and why, and does not show it."""
        with pytest.raises(ConfigurationError) as caught:
            load_webhooks(settings("https://well.example.org/", url), clock=CLOCK)
        assert "[alerts] webhooks: URL number 2 of 2 cannot be used:" in str(caught.value)
        assert why in str(caught.value)
        assert "s3cret" not in str(caught.value)

    def test_all_faults_are_named_at_once(self, tmp_path: Path) -> None:
        """URL, secret, CA file and proxy are each looked at, though another one is wrong."""
        wrong = settings("nowhere", secret_file="/nowhere/secret", ca_file=str(tmp_path), proxy="https://proxy:3128")
        with pytest.raises(ConfigurationError) as caught:
            load_webhooks(wrong, clock=CLOCK)
        for option in ("webhooks: URL number 1", "secret_file = /nowhere/secret", f"ca_file = {tmp_path}", "proxy"):
            assert f"[alerts] {option}" in str(caught.value)

    def test_a_url_stands_there_once(self) -> None:
        """Twice the same would be every alert twice."""
        with pytest.raises(ConfigurationError, match="URL number 2 of 2 stands there twice"):
            load_webhooks(settings("http://one/", "http://one/"), clock=CLOCK)

    def test_there_is_a_bound(self) -> None:
        """More webhooks than an engine has threads for are refused."""
        with pytest.raises(ConfigurationError, match="has 17 URLs: it may have 16"):
            load_webhooks(settings(*(f"http://one/{number}" for number in range(17))), clock=CLOCK)

    @pytest.mark.parametrize(
        ("text", "mode", "why"),
        [
            (SECRET, 0o640, "its mode is 0640 and others may read it; run: chmod 600"),
            ("", 0o600, "it has 0 lines with a secret"),
            ("short", 0o600, "fewer than 16 characters"),
            (f"{SECRET}\n{SECRET}\n{SECRET}", 0o600, "it has 3 lines with a secret"),
            ("\udcff", 0o600, "it is not UTF-8 text"),
        ],
    )
    def test_a_secret_that_cannot_be_used(self, text: str, mode: int, why: str, secret_file: Path) -> None:
        """The message says what is wrong with the file, and nothing of what stands in it."""
        secret_file.write_bytes(text.encode(errors="surrogateescape"))
        secret_file.chmod(mode)
        with pytest.raises(ConfigurationError) as caught:
            load_webhooks(settings("http://one/", secret_file=str(secret_file)), clock=CLOCK)
        assert why in str(caught.value)
        assert SECRET not in str(caught.value)

    def test_a_ca_file_is_one(self, tmp_path: Path) -> None:
        """A file that has no certificate stops the start, not the first alert."""
        path = tmp_path / "ca.pem"
        path.write_text("no certificate")
        with pytest.raises(ConfigurationError, match=r"ca_file = .*ca\.pem cannot be used"):
            load_webhooks(settings("https://one/", ca_file=str(path)), clock=CLOCK)

    def test_no_secret_is_in_a_name_or_a_repr(self, secret_file: Path) -> None:
        """Names tell webhooks apart by scheme, host and a digest; neither they nor a repr have path, user or secret."""
        one, other = load_webhooks(
            settings(
                *("https://u:pa55@hooks.example.org/s3cret/1", "https://u:pa55@hooks.example.org/s3cret/2"),
                secret_file=str(secret_file),
            ),
            clock=CLOCK,
        )
        assert one.name == f"https://hooks.example.org ({one.key[:6]})"
        assert one.name != other.name
        shown = repr((one, other, one.address, settings("https://u:pa55@hooks/s3cret")))
        for secret in ("pa55", "s3cret", SECRET):
            assert secret not in shown
        assert webhook("http://[::1]:8080/").name.startswith("http://[::1]:8080 (")


def test_the_certificates_of_the_system_are_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without ca_file it is OpenSSL's own store, which SSL_CERT_FILE moves, as for every program of the system."""
    context, trusted = server_context(tmp_path, "127.0.0.1")
    assert isinstance(context, ssl.SSLContext)
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(trusted))
    with receiving(takes, tls=context) as receiver:
        assert post(webhook(receiver.url)) == "204 Said So"
