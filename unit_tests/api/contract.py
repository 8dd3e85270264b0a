"""The tables of errors that clients of upstream's API v1 rely on: on which routes, with which status, in which words.

The words are patterns for `re.search`. Where `on` is empty a row is about any route. The comparison with upstream holds both APIs to
these rows, the YAML files ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vmha.api.routes import NOT_ALLOWED, ROUTES

_SEGMENT, _HOSTS = "/segments/{segment}", "/segments/{segment}/hosts"
_HOST, _VMOVES = _HOSTS + "/{host}", "/notifications/{notification}/vmoves"
_BODIES = ("POST /segments", f"PUT {_SEGMENT}", f"POST {_HOSTS}", f"PUT {_HOST}", "POST /notifications")
_LISTS = ("GET /segments", f"GET {_HOSTS}", "GET /notifications", f"GET {_VMOVES}")
_ACTION = "The request method: '[A-Z]+' with action: '[a-z]+' is not allowed on this resource"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    status: int
    words: str
    on: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name the row; two of them may promise the same on other routes."""
        return " ".join((str(self.status), self.words, *self.on[:1]))

    def is_met_by(self, status: int, message: str) -> bool:
        """Tell whether an answer is the one that the row promises."""
        return status == self.status and re.search(self.words, message) is not None


ROWS = (
    # Versions, callers and projects.
    Row(400, "API Version String .* is of invalid format"),
    Row(406, "is not supported by the API. Minimum is 1.0 and maximum is 1.3"),
    Row(400, "Malformed request URL: URL's project_id '.*' doesn't match Context's project_id '.*'"),
    Row(401, "The request you have made requires authentication"),
    Row(403, "Policy doesn't allow os_masakari_api:.* to be performed"),
    # Routes.
    Row(404, r"The resource could not be found\.<br />"),
    Row(405, _ACTION, tuple(f"{each.method} {each.path}" for each in NOT_ALLOWED)),
    # Bodies.
    Row(413, "Request is too large"),
    Row(415, "Unsupported Content-Type", _BODIES),
    Row(400, "Malformed request body", _BODIES),
    Row(400, "None is not of type 'object'", _BODIES),
    Row(400, "^'[a-z]+' is a required property", _BODIES),
    Row(400, "^Additional properties are not allowed", _BODIES),
    Row(400, "^Invalid input for field/attribute", _BODIES),
    Row(400, "Additional properties are not allowed .'[a-z_]+' was unexpected.$", _BODIES),
    Row(400, "is not valid under any of the given schemas", (f"PUT {_SEGMENT}", f"PUT {_HOST}")),
    Row(
        400,
        "An invalid 'name' value was provided",
        ("POST /segments", f"PUT {_SEGMENT}", f"POST {_HOSTS}", f"PUT {_HOST}"),
    ),
    # Lists.
    Row(400, r"InvalidSortKey\('Sort key supplied is invalid", _LISTS),
    Row(400, "Unknown sort direction, must be", _LISTS),
    Row(400, "Sort direction size exceeds sort key size", _LISTS),
    Row(400, "limit must be >= 0", _LISTS),
    Row(400, "limit must be an integer", _LISTS),
    Row(400, "Marker .* could not be found", _LISTS),
    Row(400, "Invalid value for reserved: Unrecognized value", (f"GET {_HOSTS}",)),
    Row(400, "Invalid value for on_maintenance: Unrecognized value", (f"GET {_HOSTS}",)),
    Row(400, "Invalid generated-since value", ("GET /notifications",)),
    # Segments and hosts.
    Row(404, "No failover segment with id", (f"GET {_SEGMENT}", f"PUT {_SEGMENT}", f"DELETE {_SEGMENT}")),
    Row(404, "No failover segment with id", (f"GET {_HOSTS}", f"POST {_HOSTS}")),
    Row(404, "No host with id", (f"GET {_HOST}",)),
    Row(
        404,
        "Host '.*' under failover_segment '.*' could not be found",
        (f"GET {_HOST}", f"PUT {_HOST}", f"DELETE {_HOST}"),
    ),
    Row(409, "Failover segment with name .* already exists", ("POST /segments", f"PUT {_SEGMENT}")),
    Row(409, "Failover segment .* can't be updated as it is in-use", (f"PUT {_SEGMENT}",)),
    Row(409, "Failover segment .* can't be deleted as it is in-use", (f"DELETE {_SEGMENT}",)),
    Row(400, "Compute service with name .* could not be found", (f"POST {_HOSTS}", f"PUT {_HOST}")),
    Row(409, "Host with name .* already exists", (f"POST {_HOSTS}", f"PUT {_HOST}")),
    Row(409, "Host .* can't be updated as it is in-use", (f"PUT {_HOST}",)),
    Row(409, "Host .* can't be deleted as it is in-use", (f"DELETE {_HOST}",)),
    # Notifications and moves.
    Row(404, "No notification with id", ("GET /notifications/{notification}", f"GET {_VMOVES}")),
    Row(400, "Host with name .* could not be found", ("POST /notifications",)),
    Row(409, "of type '[A-Z_]+' is ignored as the host is already under maintenance", ("POST /notifications",)),
    Row(409, "Notification received from host .* is duplicate", ("POST /notifications",)),
    Row(400, "without vm moves", (f"GET {_VMOVES}",)),
    Row(404, "No vm move with id", (f"GET {_VMOVES}/{{vmove}}",)),
    # Extensions.
    Row(404, r"^The resource could not be found\.$", ("GET /extensions/{alias}",)),
)
"""What both APIs answer."""

OURS = (
    Row(500, r"^Unexpected API Error\. Please report this at https://bugs\.launchpad\.net/masakari/.*\n<class '.*'>$"),
    # Upstream's are 500: where Nova does not answer, and for the moves of a notification that does not exist.
    Row(403, "Nova answered 403", (f"POST {_HOSTS}", f"PUT {_HOST}")),
    Row(503, "has a compute service", (f"POST {_HOSTS}", f"PUT {_HOST}")),
    Row(404, "No notification with id", (f"GET {_VMOVES}/{{vmove}}",)),
)
"""What stands in the tables too, and a comparison cannot show."""


def route_of(method: str, path: str) -> str | None:
    """Return the route that a request leads to, as the rows name it; what upstream maps to nothing is one, too."""
    plain = re.sub("/+", "/", path.partition("?")[0])
    return next(
        (f"{method} {each}" for kind, each, pattern in _PATTERNS if kind == method and pattern.fullmatch(plain)), None
    )


def message_of(body: Any) -> str:
    """Return the sentence of an answer, in whichever form it stands; the text itself where it is no JSON."""
    if not isinstance(body, dict):
        return str(body)
    if "message" in body:
        return str(body["message"])
    inner = next(iter(body.values()), {})
    return str(inner.get("message", "")) if isinstance(inner, dict) else ""


def _pattern(path: str) -> re.Pattern[str]:
    """Match a route's path in both of its forms."""
    return re.compile(r"/v1(/\$project|/[0-9a-f-]+)?" + re.sub(r"\{\w+\}", "[^/]+", path) + r"(\.json)?")


# What upstream maps to nothing comes first: `new` would be taken for an id.
_PATTERNS = tuple((each.method, each.path, _pattern(each.path)) for each in (*NOT_ALLOWED, *ROUTES))
