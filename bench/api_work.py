"""What is asked of both sides: the requests, what their answers must hold, and which rows must be there afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import requests

from bench import api_rows as rows
from bench.api_servers import FEW, MANY, OURS, UPSTREAM, Servers, Side

ADDRESS = "127.0.0.1"
ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One request, sent again and again. `goal` is the least ratio of ours to upstream that is demanded, if any is."""

    name: str
    about: str
    method: str
    path: str
    size: str
    goal: float | None


SEGMENTS = Workload(
    name="GET /segments",
    about=f"{rows.SEGMENTS} segments",
    method="GET",
    path="/v1/segments",
    size=FEW,
    goal=3,
)
LIST = Workload(
    name="GET /notifications?limit=100",
    about=f"over {rows.OLD:,} rows",
    method="GET",
    path="/v1/notifications?limit=100",
    size=MANY,
    goal=5,
)
POST = Workload(
    name="POST /notifications",
    about=f"over {rows.OLD:,} rows",
    method="POST",
    path="/v1/notifications",
    size=MANY,
    goal=5,
)
POST_FEW = Workload(
    name="POST /notifications, few rows",
    about="into an empty table",
    method="POST",
    path="/v1/notifications",
    size=FEW,
    goal=None,
)
WORKLOADS = (SEGMENTS, LIST, POST, POST_FEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """That both sides answer a workload with the same items; `sent` is our answer as it goes over the wire."""

    workload: str
    items: int
    ours_bytes: int
    upstream_bytes: int
    sent: bytes


def status_of(work: Workload) -> int:
    """Return what a request must be answered with."""
    return 202 if work.method == "POST" else 200


def requests_of(work: Workload, token: str) -> Sequence[bytes]:
    """Return the requests as they go over the wire: one to repeat, or a new report for each host."""
    if work.method == "GET":
        return [_request(work, token, b"")]
    moment = (datetime.now(UTC) - timedelta(hours=1)).replace(tzinfo=None).isoformat()
    return [_request(work, token, _report(number, moment)) for number in range(1, rows.HOSTS + 1)]


def compare(running: Servers) -> list[Alike]:
    """Ask both sides once and hold the answers against each other. Raises `AssertionError` where they differ in what they list."""
    token = running.token()
    return [_alike(running, work, token) for work in WORKLOADS if work.method == "GET"]


def check_rows(running: Servers, work: Workload, side: Side, answered: int) -> None:
    """Count what a run has stored, and remove it. Raises `AssertionError` where a notification, or with us a recovery, is missing."""
    if work.method == "GET":
        return
    stored = int(running.database.sql(rows.count_posted(side.database)))
    assert stored == answered, f"{side.name} answered {answered} notifications with 202 and stored {stored}"
    if side.name == OURS:
        opened = int(running.database.sql(rows.count_opened(side.database)))
        assert opened == answered, f"{answered} failures of as many hosts opened {opened} recoveries"
    running.database.sql(rows.remove_posted(side.database, is_ours=side.name == OURS))


def _alike(running: Servers, work: Workload, token: str) -> Alike:
    bodies = {}
    for name in (OURS, UPSTREAM):
        url = f"http://{ADDRESS}:{running.sides[name, work.size].port}{work.path}"
        answer = requests.get(url, headers={"X-Auth-Token": token}, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        bodies[name] = answer.content
    (ours,), (upstream,) = (json.loads(bodies[name]).values() for name in (OURS, UPSTREAM))
    assert [list(item) for item in ours] == [list(item) for item in upstream], f"{work.name}: the answers differ"
    assert [item["id"] for item in ours] == [item["id"] for item in upstream], f"{work.name}: other rows"
    return Alike(
        workload=work.name,
        items=len(ours),
        ours_bytes=len(bodies[OURS]),
        upstream_bytes=len(bodies[UPSTREAM]),
        sent=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(bodies[OURS]), bodies[OURS]),
    )


def _report(number: int, moment: str) -> bytes:
    """Return the body that says that a host has failed: what makes the most work, since it is to be recovered."""
    payload = {"event": "STOPPED", "host_status": "NORMAL", "cluster_status": "OFFLINE"}
    sent = {"type": "COMPUTE_HOST", "hostname": f"compute-{number}", "generated_time": moment, "payload": payload}
    return json.dumps({"notification": sent}).encode()


def _request(work: Workload, token: str, body: bytes) -> bytes:
    lines = [
        f"{work.method} {work.path} HTTP/1.1",
        f"Host: {ADDRESS}",
        "User-Agent: bench",
        "Connection: close",
        "Accept: application/json",
        f"X-Auth-Token: {token}",
        *(("Content-Type: application/json", f"Content-Length: {len(body)}") if body else ()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
