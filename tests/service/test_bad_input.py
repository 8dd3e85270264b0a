"""What no client should send: each gets its status in upstream's envelope, and the next request is served as if nothing had been."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.service.stories import Told, told

pytestmark = pytest.mark.timeout(400)

NOBODY = "00000000-0000-0000-0000-000000000000"
LIMIT = 114_688
"""Bytes of a body, as oslo.middleware has it by default."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Give a service with a segment, on a cloud of its own."""
    with told(tmp_path_factory.mktemp("bad-input") / "stage") as story:
        story.set_up()
        yield story


@pytest.fixture(scope="module")
def headers(service: Told) -> dict[str, str]:
    """Return what an administrator sends with every request."""
    token = service.stage.client().session.get_token()
    return {"X-Auth-Token": token, "Content-Type": "application/json"}


def notification(**changed: object) -> bytes:
    """Return the body of a notification, with something changed."""
    payload = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}
    sound = {"type": "COMPUTE_HOST", "hostname": "c1", "generated_time": "2026-03-01T03:00:00", "payload": payload}
    return json.dumps({"notification": {**sound, **changed}}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A request that is refused, and the answer."""

    name: str
    status: int
    envelope: str
    message: str
    method: str = "POST"
    path: str = "/v1/notifications"
    body: bytes | None = None
    version: str = "1.3"


BAD = [
    Bad(
        name="no JSON",
        body=b"{not json",
        status=400,
        envelope="badRequest",
        message="Malformed request body",
    ),
    Bad(
        name="no text",
        body=b"\xff\xfe{}",
        status=400,
        envelope="badRequest",
        message="Malformed request body",
    ),
    Bad(
        name="JSON too deep",
        body=b"[" * 50_000,
        status=400,
        envelope="badRequest",
        message="Malformed request body",
    ),
    Bad(name="no object", body=b"[1]", status=400, envelope="badRequest", message="[1] is not of type 'object'"),
    Bad(name="nothing", body=b"", status=400, envelope="badRequest", message="None is not of type 'object'"),
    Bad(
        name="unknown host",
        body=notification(hostname="nobody"),
        status=400,
        envelope="badRequest",
        message="Host with name nobody could not be found.",
    ),
    Bad(
        name="unknown type",
        body=notification(type="COFFEE"),
        status=400,
        envelope="badRequest",
        message="Invalid input for field/attribute type. Value: COFFEE. "
        "'COFFEE' is not one of ('COMPUTE_HOST', 'VM', 'PROCESS')",
    ),
    Bad(
        name="time that is none",
        body=notification(generated_time="yesterday"),
        status=400,
        envelope="badRequest",
        message="Invalid input for field/attribute generated_time. Value: yesterday. 'yesterday' is not a 'date-time'",
    ),
    Bad(
        name="body too large",
        body=b" " * (LIMIT + 1),
        status=413,
        envelope="overLimit",
        message=f"Request is too large. Larger than max_request_body_size ({LIMIT}).",
    ),
    Bad(
        name="microversion too new",
        method="GET",
        path="/v1/segments",
        version="1.99",
        status=406,
        envelope="masakariFault",
        message="Version 1.99 is not supported by the API. Minimum is 1.0 and maximum is 1.3.",
    ),
    Bad(
        name="microversion that is none",
        method="GET",
        path="/v1/segments",
        version="one",
        status=400,
        envelope="badRequest",
        message="API Version String one is of invalid format. Must be of format MajorNum.MinorNum.",
    ),
    Bad(
        name="unknown segment",
        method="GET",
        path=f"/v1/segments/{NOBODY}",
        status=404,
        envelope="itemNotFound",
        message=f"No failover segment with id {NOBODY}.",
    ),
    Bad(
        name="unknown recovery",
        method="GET",
        path=f"/v1/recoveries/{NOBODY}",
        status=404,
        envelope="itemNotFound",
        message=f"No recovery with id {NOBODY}.",
    ),
    Bad(
        name="limit that is none",
        method="GET",
        path="/v1/notifications?limit=many",
        status=400,
        envelope="badRequest",
        message="Invalid input received: limit must be an integer",
    ),
    Bad(
        name="unknown marker",
        method="GET",
        path="/v1/notifications?marker=nobody",
        status=400,
        envelope="badRequest",
        message="Marker nobody could not be found.",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_it_is_refused_in_upstreams_words(bad: Bad, service: Told, headers: dict[str, str]) -> None:
    """The answer is the status and the envelope of upstream, with what is wrong, and nothing was recorded."""
    answer = requests.request(
        bad.method,
        f"{service.stage.url}{bad.path}",
        headers={**headers, "OpenStack-API-Version": f"instance-ha {bad.version}"},
        data=bad.body,
        timeout=20,
    )
    assert answer.status_code == bad.status
    assert answer.json() == {bad.envelope: {"code": bad.status, "message": bad.message}}
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert listed(service, headers, "notifications") == []


@pytest.mark.parametrize("token", [None, "no-token-of-keystone"])
def test_a_stranger_is_sent_to_keystone(token: str | None, service: Told) -> None:
    """Without a token that Keystone knows the answer is 401 with Keystone's address."""
    given = {} if token is None else {"X-Auth-Token": token}
    answer = requests.get(f"{service.stage.url}/v1/segments", headers=given, timeout=20)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{service.stage.cloud["auth_url"]}"'


@pytest.mark.parametrize(
    "sent",
    [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET /v1/segments HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
    ids=["no request", "TLS", "length that is none"],
)
def test_what_is_no_http_hurts_nobody(sent: bytes, service: Told, headers: dict[str, str]) -> None:
    """Bytes that are no request end their own connection, and no other one."""
    where = urlsplit(service.stage.url)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert len(listed(service, headers, "segments")) == 1


def test_a_client_that_hangs_holds_up_nobody(service: Told, headers: dict[str, str]) -> None:
    """Connections that announce a body and never send it leave room for others."""
    where = urlsplit(service.stage.url)
    hanging = [socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20) for _ in range(8)]
    try:
        for connection in hanging:
            connection.sendall(b"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        assert len(listed(service, headers, "segments")) == 1
    finally:
        for connection in hanging:
            connection.close()


def test_after_all_that_it_still_works(service: Told, headers: dict[str, str]) -> None:
    """The process is the same, its log holds no traceback, and a sound notification opens a recovery."""
    service.stage.report("c1")
    assert [row["host"] for row in listed(service, headers, "recoveries")] == ["c1"]
    service.stage.wait(0.1, "a process that died")
    assert "Traceback" not in (service.stage.folder / "engine-1.log").read_text()


def listed(service: Told, headers: dict[str, str], name: str) -> list[dict[str, Any]]:
    """List what the service holds."""
    answer = requests.get(f"{service.stage.url}/v1/{name}", headers=headers, timeout=20)
    assert answer.status_code == 200
    rows: list[dict[str, Any]] = answer.json()[name]
    return rows
