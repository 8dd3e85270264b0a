"""What of the contract the requests must reach: each route, each parameter of a list, and each kind of error, several times."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from vmha.api.routes import NOT_ALLOWED, ROUTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.differential.exchange import Answer, Request

AT_LEAST = 5
REQUESTS = 300
OURS = "/recoveries"
"""Upstream has nothing below this path."""

_PAGING = ("sort_key", "sort_dir", "limit", "marker")
PARAMETERS = {
    "/segments": ("recovery_method", "service_type", "enabled", *_PAGING),
    "/segments/{segment}/hosts": ("type", "on_maintenance", "reserved", *_PAGING),
    "/notifications": ("status", "source_host_uuid", "type", "generated-since", *_PAGING),
    "/notifications/{notification}/vmoves": ("status", "type", *_PAGING),
}
# Status, and what upstream's message looks like.
ERRORS = (
    (400, "API Version String .* is of invalid format"),
    (400, "Malformed request URL"),
    (400, "Malformed request body"),
    (400, "None is not of type 'object'"),
    (400, "^'[a-z]+' is a required property"),
    (400, "^Additional properties are not allowed"),
    (400, "^Invalid input for field/attribute"),
    (400, "Additional properties are not allowed .'[a-z_]+' was unexpected.$"),
    (400, "is not valid under any of the given schemas"),
    (400, "An invalid 'name' value was provided"),
    (400, "Compute service with name .* could not be found"),
    (400, "Host with name .* could not be found"),
    (400, "without vm moves"),
    (400, r"InvalidSortKey\('Sort key supplied is invalid"),
    (400, "Unknown sort direction, must be"),
    (400, "Sort direction size exceeds sort key size"),
    (400, "limit must be >= 0"),
    (400, "limit must be an integer"),
    (400, "Marker .* could not be found"),
    (400, "Invalid value for reserved: Unrecognized value"),
    (400, "Invalid value for on_maintenance: Unrecognized value"),
    (400, "Invalid generated-since value"),
    (401, "The request you have made requires authentication"),
    (403, "Policy doesn't allow os_masakari_api:.* to be performed"),
    (404, r"The resource could not be found\.<br />"),
    (404, r"^The resource could not be found\.$"),
    (404, "No failover segment with id"),
    (404, "No notification with id"),
    (404, "No host with id"),
    (404, "No vm move with id"),
    (404, "Host '.*' under failover_segment '.*' could not be found"),
    (405, "The request method: '[A-Z]+' with action: '[a-z]+' is not allowed on this resource"),
    (406, "is not supported by the API. Minimum is 1.0 and maximum is 1.3"),
    (409, "Failover segment with name .* already exists"),
    (409, "Failover segment .* can't be updated as it is in-use"),
    (409, "Failover segment .* can't be deleted as it is in-use"),
    (409, "Host with name .* already exists"),
    (409, "Host .* can't be updated as it is in-use"),
    (409, "Host .* can't be deleted as it is in-use"),
    (409, "of type '[A-Z_]+' is ignored as the host is already under maintenance"),
    (409, "Notification received from host .* is duplicate"),
    (413, "Request is too large"),
    (415, "Unsupported Content-Type"),
)


def seldom(sent: Iterable[tuple[Request, Answer]]) -> list[str]:
    """Name what was reached less than AT_LEAST times, by the requests and upstream's answers to them."""
    reached: Counter[str] = Counter()
    for request, answer in sent:
        reached.update(_reached(request, answer))
    wanted = [_route(method, path) for method, path, _ in _PATTERNS]
    wanted += [f"{path}?{name}" for path, names in PARAMETERS.items() for name in names]
    wanted += [_error(status, pattern) for status, pattern in ERRORS]
    return [f"{each}: {reached[each]} times" for each in wanted if reached[each] < AT_LEAST]


def _reached(request: Request, answer: Answer) -> list[str]:
    path, _, query = request.path.partition("?")
    found = []
    route = next((r for r in _PATTERNS if r[0] == request.method and r[2].fullmatch(path)), None)
    if route is not None:
        found.append(_route(route[0], route[1]))
        names = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
        found += [f"{route[1]}?{name}" for name in names if request.method == "GET"]
    text = _message(answer)
    found += [_error(status, each) for status, each in ERRORS if status == answer.status and re.search(each, text)]
    return found


def _message(answer: Answer) -> str:
    if not isinstance(answer.body, dict):
        return str(answer.body)
    if "message" in answer.body:
        return str(answer.body["message"])
    inner = next(iter(answer.body.values()), {})
    return str(inner.get("message", "")) if isinstance(inner, dict) else ""


def _route(method: str, path: str) -> str:
    return f"{method} {path}"


def _error(status: int, pattern: str) -> str:
    return f"{status} {pattern}"


def _pattern(path: str) -> re.Pattern[str]:
    """Match a route's path in both of its forms."""
    return re.compile(r"/v1(/\$project)?" + re.sub(r"\{\w+\}", "[^/]+", path) + r"(\.json)?")


# What upstream maps to nothing comes first: `new` would be taken for an id.
_PATTERNS = tuple(
    (each.method, each.path, _pattern(each.path)) for each in (*NOT_ALLOWED, *ROUTES) if not each.path.startswith(OURS)
)
