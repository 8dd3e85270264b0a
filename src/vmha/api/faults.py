"""Errors as clients see them: `{"<name>": {"code": <status>, "message": "<text>"}}`."""

from __future__ import annotations

import json
from http import HTTPStatus

import falcon
from falcon.util import mediatypes

from vmha.errors import VmhaError

FAULT_TYPE = "application/json; charset=UTF-8"
PLAIN_TYPE = "text/plain; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"
_NO_ROUTE = "The resource could not be found."
# What upstream answers with where there is no route at all, blank for blank.
_NO_ROUTE_PLAIN = f"404 Not Found\n\n{_NO_ROUTE}\n\n   "
_NO_ROUTE_JSON = json.dumps(
    {"message": f"{_NO_ROUTE}<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}
)
_NO_ROUTE_HTML = f"""<html>
 <head>
  <title>404 Not Found</title>
 </head>
 <body>
  <h1>404 Not Found</h1>
  {_NO_ROUTE}<br /><br />



 </body>
</html>"""

_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
_UNEXPECTED = (
    "Unexpected API Error. Please report this at https://bugs.launchpad.net/masakari/ "
    "and attach the Masakari API log if possible.\n{}"
)


class Fault(VmhaError):
    """An answer other than success, with the message that the client reads."""

    def __init__(self, status: HTTPStatus, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> bytes:
        """Build the JSON text."""
        return json.dumps({name_of(self.status): {"code": int(self.status), "message": self.message}}).encode()

    def headers(self) -> dict[str, str]:
        """Build the headers that say what the body is, and when to try again."""
        headers = {"Content-Type": FAULT_TYPE}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return headers


def name_of(status: HTTPStatus) -> str:
    """Return the key that an error with this status stands under."""
    return _NAMES.get(status, "masakariFault")


def bad_request(message: str) -> Fault:
    """The client must send something else."""
    return Fault(HTTPStatus.BAD_REQUEST, message)


def not_found(message: str) -> Fault:
    """There is no such thing."""
    return Fault(HTTPStatus.NOT_FOUND, message)


def conflict(message: str) -> Fault:
    """The thing is not in a state that allows this."""
    return Fault(HTTPStatus.CONFLICT, message)


def unavailable(message: str) -> Fault:
    """Something behind the API is away; the same request may succeed soon."""
    return Fault(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after_seconds=5)


def no_route(accept: str | None, method: str) -> tuple[str, str]:
    """Return content type and text for a path that leads nowhere, in the form that the header Accept asks for."""
    if method == "HEAD":
        return HTML_TYPE, ""
    match _liked_best(accept):
        case "text/html":
            return HTML_TYPE, _NO_ROUTE_HTML
        case "application/json":
            return "application/json", _NO_ROUTE_JSON
        case _:
            return PLAIN_TYPE, _NO_ROUTE_PLAIN


def _liked_best(accept: str | None) -> str:
    """Choose between HTML and JSON; a header that cannot be read accepts everything, none at all neither of the two."""
    if not accept:
        return ""
    try:
        return mediatypes.best_match(("text/html", "application/json"), accept)
    except (falcon.InvalidMediaRange, falcon.InvalidMediaType):
        return "text/html"


def unexpected(error: BaseException) -> Fault:
    """A defect of ours: name the kind of error as upstream does, nothing of its content."""
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, _UNEXPECTED.format(type(error)))
