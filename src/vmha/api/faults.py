"""Errors as clients see them: `{"<name>": {"code": <status>, "message": "<text>"}}`."""

from __future__ import annotations

import json
from http import HTTPStatus

from vmha.errors import VmhaError

FAULT_TYPE = "application/json; charset=UTF-8"
PLAIN_TYPE = "text/plain; charset=UTF-8"
NO_ROUTE = "404 Not Found\n\nThe resource could not be found.\n\n   "
"""What upstream answers with, as plain text, where there is no route at all."""

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
        name = _NAMES.get(self.status, "masakariFault")
        return json.dumps({name: {"code": int(self.status), "message": self.message}}).encode()

    def headers(self) -> dict[str, str]:
        """Build the headers that say what the body is, and when to try again."""
        headers = {"Content-Type": FAULT_TYPE}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        return headers


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


def unexpected(error: BaseException) -> Fault:
    """A defect of ours: name the kind of error as upstream does, nothing of its content."""
    return Fault(HTTPStatus.INTERNAL_SERVER_ERROR, _UNEXPECTED.format(type(error)))
