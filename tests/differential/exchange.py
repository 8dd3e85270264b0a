"""Reads the files of requests, sends them, and brings two answers into a form in which they can be compared.

A file in requests/ is a list. An entry is one line, `METHOD /path` with a JSON body behind it where one is sent, or a mapping:

    do: POST@1.2 /v1/segments {"segment": {...}}   `@` gives a microversion, `latest` too; (a|b) in a path sends both
    as: demo                     a user of the simulated Keystone, or nobody; else admin
    headers: {Content-Type: x}   further ones
    raw: "{"                     a body as it is, or {of: text, times: n}
    keep: {segment: segment.uuid}  names parts of the answer; $segment stands for it in later requests of the file
    sql: ...                     instead of a request: a statement for both databases

$project is the id of the administrator's project, $u11 the uuid of the row 11 of `seed`.
"""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.differential.servers import Side

FOLDER = Path(__file__).with_name("requests")
# What a client acts on. Lengths, dates and the name of the server say nothing about Masakari.
HEADERS = (
    *("content-type", "openstack-api-version", "vary", "www-authenticate", "retry-after", "location", "allow", "link"),
    *("x-openstack-request-id", "access-control-allow-origin", "access-control-allow-methods"),
    *("access-control-allow-headers", "access-control-expose-headers", "access-control-max-age"),
)
_LINE = re.compile(r"(?P<method>[A-Z]+)(@(?P<version>\S+))? (?P<path>\S+)( (?P<body>.+))?", re.DOTALL)
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_REQUEST_ID = re.compile(r"\breq-[0-9a-f-]{36}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, or one statement for both databases; `id` names it in the file of differences."""

    id: str
    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    user: str | None = None
    keep: dict[str, str] = field(default_factory=dict)
    sql: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, as a client reads it."""

    status: int
    headers: dict[str, str]
    body: Any


def files() -> list[str]:
    """Name all files of requests."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name: str) -> list[Request]:
    """Read one file; requests that look the same are numbered."""
    found: list[Request] = []
    seen: dict[str, int] = {}
    for entry in yaml.safe_load((FOLDER / f"{name}.yaml").read_text()):
        for request in _requests(entry if isinstance(entry, dict) else {"do": entry}):
            seen[request.id] = count = seen.get(request.id, 0) + 1
            label = f"{request.id} ({count})" if count > 1 else request.id
            found.append(Request(**{**_fields(request), "id": f"{name}: {label}"}))
    return found


def _fields(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__slots__}


def _requests(entry: Mapping[str, Any]) -> Iterator[Request]:
    unknown = set(entry) - {"do", "as", "headers", "raw", "keep", "sql"}
    if unknown:
        raise ValueError(f"{entry} has the unknown keys {unknown}")
    if "sql" in entry:
        yield Request(id=entry["sql"], sql=entry["sql"])
        return
    line = _LINE.fullmatch(entry["do"])
    if line is None:
        raise ValueError(f"{entry['do']} is no request")
    headers = {"Accept": "application/json"}
    if line["version"]:
        headers["OpenStack-API-Version"] = f"instance-ha {line['version']}"
    raw = entry.get("raw", line["body"])
    body = raw["of"] * raw["times"] if isinstance(raw, dict) else raw
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers |= entry.get("headers", {})
    user = entry.get("as", "admin")
    more = "".join(f" {name}={str(entry[name])[:60]}" for name in ("as", "headers", "raw") if name in entry)
    at = f"@{line['version']}" if line["version"] else ""
    for path in expanded(line["path"]):
        yield Request(
            id=f"{line['method']}{at} {path}{' ' + line['body'] if line['body'] else ''}{more}",
            method=line["method"],
            path=path,
            headers={name: value for name, value in headers.items() if value is not None},
            body=body,
            user=None if user == "nobody" else user,
            keep=entry.get("keep", {}),
        )


def expanded(text: str) -> Iterator[str]:
    """Expand every (a|b) in a text."""
    parts = re.split(r"\(([^)]*\|[^)]*)\)", text)
    choices = [part.split("|") if number % 2 else [part] for number, part in enumerate(parts)]
    return ("".join(chosen) for chosen in product(*choices))


def fill(text: str, kept: Mapping[str, str]) -> str:
    """Put kept values where $name stands."""
    return re.sub(r"\$([a-z_]+[0-9]*)", lambda name: kept.get(name[1], name[0]), text)


def send(request: Request, side: Side, kept: Mapping[str, str], tokens: Mapping[str, str]) -> Answer:
    """Send a request to one side and return its answer as it is."""
    headers = {"Host": "masakari.example.org", **request.headers}
    if request.user is not None:
        headers.setdefault("X-Auth-Token", tokens[request.user])
    body = None if request.body is None else fill(request.body, kept).encode()
    with closing(http.client.HTTPConnection(urlsplit(side.url).netloc, timeout=30)) as connection:
        connection.request(request.method, fill(request.path, kept), body, headers)
        answer = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            if name.lower() in HEADERS:
                found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        return Answer(status=answer.status, headers=found, body=_parsed(answer.read().decode()))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def execute(statement: str, side: Side) -> None:
    """Send a statement to one side's database."""
    with closing(sqlite3.connect(side.database, timeout=30)) as database, database:
        database.executescript(statement)


def part(body: Any, path: str) -> str:
    """Follow a dotted path of keys and positions; what is not there is said to be missing."""
    for step in path.split("."):
        if isinstance(body, list) and step.isdigit() and int(step) < len(body):
            body = body[int(step)]
        elif isinstance(body, dict) and step in body:
            body = body[step]
        else:
            return "missing"
    return str(body)


def comparable(answer: Answer, side: Side, kept: Mapping[str, str]) -> Answer:
    """Replace what differs between two servers that behave alike: ids, times, request ids, addresses."""
    names = {value: f"<{name}>" for name, value in kept.items() if value != "missing"}

    def text(value: str) -> str:
        value = value.replace(side.url, "<url>").replace(kept["project"], "<project>")
        value = _REQUEST_ID.sub("<request id>", value)
        value = _UUID.sub(lambda uuid: names.get(uuid[0], uuid[0] if _is_seed(uuid[0]) else "<uuid>"), value)
        return _TIME.sub(lambda time: "<now>" if _is_recent(time[0]) else time[0], value)

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: "<id>" if name == "id" and _is_new(value) else walk(each) for name, each in value.items()}
        if isinstance(value, list):
            return [walk(each) for each in value]
        return text(value) if isinstance(value, str) else value

    headers = {name: text(_in_full(name, value)) for name, value in answer.headers.items()}
    return Answer(status=answer.status, headers=headers, body=walk(answer.body))


def _in_full(name: str, value: str) -> str:
    """Write a link (RFC 8288) as bodies have it, so that both read alike."""
    found = re.fullmatch(r'<(?P<href>[^>]+)>; rel="(?P<rel>\w+)"', value) if name == "link" else None
    return json.dumps([{"rel": found["rel"], "href": found["href"]}]) if found else value


def _is_new(row: Mapping[str, Any]) -> bool:
    """Tell a row that a server made; which id it got depends on what came before."""
    return not _is_seed(str(row.get("uuid") or row.get("notification_uuid")))


def _is_seed(uuid: str) -> bool:
    """Tell the uuids that the tests bring along."""
    return uuid.startswith("00000000-")


def _is_recent(time: str) -> bool:
    moment = datetime.fromisoformat(time).replace(tzinfo=UTC)
    return abs(datetime.now(UTC) - moment) < timedelta(hours=2)
