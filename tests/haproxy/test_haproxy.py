"""Two units' haproxy, on loopback addresses of their own, before two small servers that stand for the API.

The configuration is the charm's. Only what two units on one machine cannot share is put in its place: addresses, paths and the user;
and servers are checked ten times as often.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from masakari_charm import build, haproxy
from masakari_charm.networks import Network, Networks
from masakari_charm.relations.certificates import Certificates, Pair
from masakari_charm.relations.cluster import Peer
from unit_tests.charm.pairs import pair
from unit_tests.charm.test_render import BINDINGS, STATE, text

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")
ADDRESSES = ("127.1.0.1", "127.1.0.2")
READY_SECONDS = 60.0
"""Far longer than haproxy takes to start, and to see that a server came or went."""


class Api(BaseHTTPRequestHandler):
    """Answers a health check, and to anything else with its address and the headers that it got."""

    def do_GET(self) -> None:
        """Answer."""
        body = b"OK" if self.path == "/healthcheck" else json.dumps(self.seen()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def seen(self) -> dict[str, str]:
        """Return what the API would know of the request."""
        return {
            "unit": str(self.server.server_address[0]),
            **{key.lower(): value for key, value in self.headers.items()},
        }

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: where clients come, and what to trust for it; None in plaintext."""

    address: str
    ca: str | None

    def get(self) -> dict[str, str]:
        """Ask the API as a client does, on a connection of its own. Raises `OSError` or `HTTPException`."""
        connection = HTTPConnection(self.address, 15868, timeout=5)
        if self.ca is not None:
            context = ssl.create_default_context(cadata=self.ca)
            context.check_hostname = False
            connection = HTTPSConnection(self.address, 15868, timeout=5, context=context)
        try:
            connection.request("GET", "/v1/segments", headers={"X-Forwarded-Proto": "nonsense"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise HTTPException(str(answer.status))
            found: dict[str, str] = json.loads(answer.read())
            return found
        finally:
            connection.close()


def issued(name: str) -> Certificates:
    """Return a certificate that is its own authority."""
    certificate, key = pair(name)
    return Certificates(ca=certificate, chain=None, pairs=(("unit.example", Pair(certificate=certificate, key=key)),))


@contextmanager
def api(address: str) -> Iterator[None]:
    """Run a small server in the API's place."""
    server = ThreadingHTTPServer((address, 15848), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def unit(number: int, folder: Path, *, certificates: Certificates | None) -> Iterator[Unit]:
    """Run a unit's haproxy with the other one as its peer."""
    here, there = ADDRESSES[number], ADDRESSES[1 - number]
    state = replace(
        STATE,
        unit=f"masakari/{number}",
        peers=(Peer(unit=f"masakari/{1 - number}", address=there),),
        networks=Networks(bindings=dict.fromkeys(BINDINGS, Network(address=here))),
        certificates=certificates or STATE.certificates,
    )
    file = lay_out(build.plan(state), here, folder / str(number))
    assert HAPROXY is not None
    said = file.with_name("said")
    with said.open("w") as opened:
        process = subprocess.Popen(
            (HAPROXY, "-db", "-f", str(file)), stdin=subprocess.DEVNULL, stdout=opened, stderr=opened
        )
    try:
        await_port(here, process, said)
        yield Unit(here, certificates.ca if certificates else None)
    finally:
        process.terminate()
        process.wait(timeout=READY_SECONDS)


def lay_out(plan: build.Plan, here: str, folder: Path) -> Path:
    """Write haproxy's files for a machine that two units share."""
    folder.mkdir()
    content = text(plan, haproxy.CONFIG)
    for path in haproxy.EVERY_FILE[1:]:
        if path in {file.path for file in plan.files}:
            (folder / Path(path).name).write_text(text(plan, path))
            content = content.replace(path, str(folder / Path(path).name))
    for line in ("user haproxy", "group haproxy"):
        content = content.replace(f"    {line}\n", "")
    content = content.replace("inter 2s", "inter 200ms")  # ten times as often: nobody waits here
    content = content.replace("*:15868", f"{here}:15868").replace("127.0.0.1:15848", f"{here}:15848")
    file = folder / "haproxy.cfg"
    file.write_text(content.replace("/run/haproxy/admin.sock", str(folder / "admin.sock")))
    return file


def await_port(address: str, process: subprocess.Popen[bytes], said: Path) -> None:
    """Wait until haproxy listens, or fail with it."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((address, 15868)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"haproxy does not listen on {address}: {said.read_text()}")


def await_answers(asked: Unit, wanted: set[str]) -> dict[str, str]:
    """Ask until the last answers came from exactly these units' APIs; "none" stands for a refusal. Return the last one."""
    until, last = time.monotonic() + READY_SECONDS, []
    while time.monotonic() < until:
        try:
            answer = asked.get()
        except (OSError, HTTPException):
            answer = {"unit": "none"}
        last.append(answer["unit"])
        if set(last[-8:]) == wanted and len(last) >= 8:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{asked.address} answers from {last[-8:]}, not {wanted}")


@pytest.mark.parametrize("certificates", [None, issued("cloud")], ids=["plain", "tls"])
def test_every_unit_serves_from_every_api(certificates: Certificates | None, tmp_path: Path) -> None:
    """Each haproxy spreads over both units; when a unit's API is away the other one serves, and it is used again when it is back."""
    first, second = ADDRESSES
    with (
        unit(0, tmp_path, certificates=certificates) as one,
        unit(1, tmp_path, certificates=certificates) as other,
        api(first),
    ):
        with api(second):
            await_answers(one, {first, second})
            await_answers(other, {first, second})
        await_answers(one, {first})
        await_answers(other, {first})
        with api(second):
            await_answers(one, {first, second})


@pytest.mark.parametrize(("certificates", "scheme"), [(None, "http"), (issued("cloud"), "https")], ids=["plain", "tls"])
def test_the_api_learns_how_the_client_came(certificates: Certificates | None, scheme: str, tmp_path: Path) -> None:
    """The scheme is what haproxy saw, whatever the client says, and the client's address is told, also through two of them."""
    with (
        unit(0, tmp_path, certificates=certificates) as one,
        unit(1, tmp_path, certificates=certificates),
        api(ADDRESSES[1]),
    ):
        seen = await_answers(one, {ADDRESSES[1]})
        assert seen["x-forwarded-proto"] == scheme
        assert seen["x-forwarded-for"].split(",")[0].startswith("127.")


def test_a_unit_with_a_foreign_certificate_gets_nothing(tmp_path: Path) -> None:
    """A peer whose certificate is of another authority is not spoken to: the request is refused, not sent in the clear."""
    with (
        unit(0, tmp_path, certificates=issued("cloud")) as one,
        unit(1, tmp_path, certificates=issued("stranger")),
        api(ADDRESSES[1]),
    ):
        await_answers(one, {"none"})
        with api(ADDRESSES[0]):
            await_answers(one, {ADDRESSES[0]})


def test_plaintext_is_refused_where_there_is_tls(tmp_path: Path) -> None:
    """With a certificate neither port answers to a client without TLS."""
    with unit(0, tmp_path, certificates=issued("cloud")) as one, api(ADDRESSES[0]):
        await_answers(one, {ADDRESSES[0]})
        for port in (15868, haproxy.UNIT_PORT):
            connection = HTTPConnection(one.address, port, timeout=5)
            connection.request("GET", "/v1/segments")
            with pytest.raises((OSError, HTTPException)):
                connection.getresponse()
            connection.close()
